"""What the words about measurements mean: protocols, metrics, and what they are computed with."""

from __future__ import annotations

from .term import terms

PROTOCOLS = {
    "final": "all concepts before any task and after the last task, and each concept right after its own task",
    "full": "all concepts before any task and after every task",
}
"""When concepts are measured, by protocol."""

MEASURED = terms(
    (
        "protocol",
        "protocol",
        "When concepts are measured.",
        f"“final”: {PROTOCOLS['final']}. “full”: {PROTOCOLS['full']}.",
    ),
    (
        "profile",
        "profile",
        "A named way to score pictures: the extractors and the formulas. Scores of different profiles cannot be "
        "compared.",
    ),
    (
        "extractor",
        "extractor",
        "A pretrained network that turns pictures into feature vectors, which metrics then compare.",
    ),
    ("cell", "cell", "The score of one concept (column) after one task (row): one entry of a run's matrix."),
    (
        "identity",
        "identity",
        "The share of generated pictures that are closer to the real pictures of their concept than to look-alikes "
        "of the same class.",
    ),
    (
        "image_align",
        "image_align",
        "The mean cosine similarity of generated and real pictures (CLIP-I or DINO-I, by extractor).",
    ),
    (
        "text_align",
        "text",
        "The cosine similarity of generated pictures and their prompts, with the class noun in place of the token.",
        "Its metric is text_align (CLIP-T).",
    ),
    ("mmd", "MMD", "The distance between generated and real pictures: maximum mean discrepancy, quadratic kernel."),
    ("kid", "KID", "The same distance with a cubic kernel: kernel inception distance."),
    (
        "drift",
        "drift",
        "How far the pictures of a concept have moved since it was learned, or those of the prior since the start "
        "(drift_mmd, drift_kid, drift_fid).",
    ),
    ("diversity", "diversity", "1 − cosine similarity among the pictures of one prompt."),
    (
        "copying",
        "copying",
        "The share of generated pictures that are closer to a training picture than 95 % of real pictures are.",
    ),
    (
        "multi_concept",
        "multi_concept",
        "The share of pictures of two concepts in which both are recognised.",
        "The other pictures show one concept twice (multi_twice), exchanged colours or marks (multi_swapped), one "
        "individual alone (multi_missing), or a look-alike in place of a concept.",
    ),
    (
        "multi_nouns",
        "multi_nouns",
        "The share of pictures of two concepts that show both class nouns, whatever the individuals.",
        "That of the base model is the ceiling of a method.",
    ),
    (
        "multi_align",
        "multi_align",
        "The cosine similarity of pictures of two concepts to the concept that is shown less well.",
    ),
    (
        "dc_accuracy",
        "dc_accuracy",
        "The share of held-out real pictures that the model itself classifies correctly (diffusion classifier).",
        "Chance is 1 of the concepts that it chooses among.",
    ),
    (
        "dc_margin",
        "dc_margin",
        "The mean log-odds that the model gives the right concept of held-out real pictures (diffusion classifier).",
        "Positive where the right concept is likelier than all others together. It still rises where dc_accuracy "
        "is near 100 %.",
    ),
    (
        "dc_bare",
        "dc_accuracy_bare, dc_margin_bare",
        "The same two numbers with prompts that name a concept by its token alone, without the class noun.",
    ),
)
