"""What the words of tables and pages mean: the one source of notes, tooltips and the glossary page."""

from __future__ import annotations

from .abbreviations import ABBREVIATIONS
from .measurements import MEASURED
from .term import Term
from .term import terms as _terms

_TAUGHT = _terms(
    ("concept", "concept", "One thing that the model learns from a few pictures, such as one particular cat."),
    ("class-noun", "class noun", "The ordinary word for what a concept is: “cat” for one particular cat."),
    ("token", "token", "A new word that stands for a concept in prompts. Its embedding is trained."),
    (
        "task",
        "task",
        "Training on one concept. Tasks follow one another, and the pictures of earlier tasks are no longer there.",
    ),
    (
        "suite",
        "suite",
        "A set of concepts with their pictures and prompts, and the rules for training and measuring. toybox-6 has "
        "6 concepts.",
    ),
    ("order", "order", "The sequence in which the concepts of a suite are taught."),
    (
        "seed",
        "seed",
        "The number that all random draws of a run follow from. Runs of the same order and seed see the same "
        "pictures, noise and diffusion times, whatever their method.",
    ),
    ("run", "run", "One method, trained on one order of tasks with one seed."),
    ("backbone", "backbone", "The pretrained text-to-image model that every method starts from."),
    ("prior", "prior", "What the model generates for prompts about things that it was never taught."),
)

_METHODS = _terms(
    ("method", "method", "One adapter, together with any number of consolidations."),
    ("adapter", "adapter", "The part of a method that holds its trainable weights."),
    ("consolidation", "consolidation", "The part of a method that protects earlier concepts."),
    ("floor", "floor", "The base model before any task: the score of a method that learns nothing."),
    ("ceiling", "ceiling", "Held-out real pictures, scored in place of generated ones: the best score to expect."),
    (
        "upper-bound",
        "upper bound",
        "A method that uses what a continual method may not have, such as pictures of earlier tasks. It has no rank.",
    ),
)

_PARTS = _terms(
    ("tokens", "tokens", "Trains the token of each concept, and no other weights (TI, Textual Inversion)."),
    ("kv", "kv", "Trains all keys and values of cross-attention (Custom Diffusion)."),
    ("lora", "lora", "Adds a trainable low-rank matrix to keys and values of cross-attention (LoRA)."),
    ("vera", "vera", "Trains two scaling vectors over frozen random low-rank matrices (VeRA)."),
    ("clora", "clora", "Adds a penalty on changing weights that earlier tasks have changed (C-LoRA)."),
    ("dsc", "dsc", "Distils earlier adapters into the current one after each task (DSC; LwF without its scores)."),
    ("ewc", "ewc", "Adds a quadratic penalty that holds weights important to earlier tasks (EWC, EWC-DC)."),
    ("merge", "merge", "Learns each concept from the base model, then merges all changes into one."),
    ("olora", "olora", "Keeps the directions of later tasks orthogonal to those of earlier ones (O-LoRA)."),
    ("ziplora", "ziplora", "Merges the changes of all concepts with learned coefficients (ZipLoRA)."),
    ("replay", "replay", "Keeps pictures of earlier concepts and mixes them into later training."),
    ("independent", "independent", "Keeps one adapter per concept; the right ones are chosen for each prompt."),
    ("lwf", "lwf", "Keeps the noise that the model of the last task predicts, while training (LwF)."),
    ("l2", "l2", "Adds a penalty on the distance from the weights after the last task."),
    ("dop", "dop", "Keeps what the base model predicts for the class noun (DOP)."),
)

_SUMMARIES = _terms(
    (
        "not-measured",
        "not measured",
        "There was nothing to measure a number on, such as a second task or held-out pictures. Tables show “–”, and "
        "means leave it out.",
    ),
    ("average", "average", "The mean score of all concepts after the last task."),
    ("plasticity", "plasticity", "The mean score of each concept right after its own task: how well it is learned."),
    (
        "forgetting",
        "forgetting",
        "How much the score of a concept drops from right after its own task to the end: the mean over all concepts "
        "but the last one.",
        "“forgetting last” is this number; “max” starts from the best score before the end; "
        "“clipped” counts a gain as 0; “all” includes the last concept.",
    ),
    (
        "intransigence",
        "intransigence",
        "How much worse a concept is learned than by “independent”, which has no past to protect.",
    ),
    ("backward-transfer", "backward transfer", "Minus “forgetting last”: positive where later tasks helped."),
    (
        "forward-transfer",
        "forward transfer",
        "How much earlier tasks raise the score of a concept before its own task. Needs the protocol “full”.",
    ),
    (
        "interval",
        "95 % interval",
        "The confidence interval of the mean over runs (Student's t); it holds for the task orders that were run.",
        "Where every order has several seeds, it follows from the spread of seeds within each order. Means over fewer "
        "than 3 runs have none.",
    ),
    (
        "rank",
        "rank",
        "The place of a method by average. Its rank interval contains the places that paired differences do not rule "
        "out (95 % confidence).",
        "Differences are taken in pairs: between runs of the same order and seed.",
    ),
    (
        "difference",
        "difference",
        "The average minus that of the baseline, over pairs of runs of the same order and seed.",
        "The baseline is the method that was given with --baseline.",
    ),
    (
        "resolution",
        "resolution",
        "The difference of average that a number of runs shows with a probability of 80 %, at 95 % confidence.",
        "It follows from the spread of paired differences, pooled over all pairs of methods. Smaller differences may "
        "exist and not be found.",
    ),
    (
        "pareto",
        "Pareto front",
        "The methods that no other method beats: none is at least as good in both directions and better in one.",
    ),
    ("fisher", "Fisher information", "How sensitive the loss is to each weight. EWC holds sensitive weights."),
    ("change", "mean |ΔW|", "The mean absolute change of a layer's weights."),
)

_COST = _terms(
    ("train_seconds", "s/task", "The mean training time of one task, in seconds."),
    ("stored_bytes", "stored", "The size of what a method keeps after the last task."),
    ("trainable", "trainable", "The number of parameters that are trained in the last task."),
    ("peak", "peak memory", "The most memory that training a task needed."),
)

_STORED = _terms(
    (
        "record",
        "record",
        "The JSON file of one run: its scores, its costs and everything that decides its numbers.",
    ),
    (
        "shipped",
        "shipped",
        "Made by the authors of cpbench: a row of records that came with it, beside rows of your own runs.",
    ),
    ("store", "store", "The folder with what runs can reuse: trained states, generated pictures and scores."),
    ("unit", "unit", "One piece of work in the store, such as training one task or drawing one concept."),
)

GLOSSARY: dict[str, tuple[Term, ...]] = {
    "What is taught": _TAUGHT,
    "Methods": _METHODS,
    "Parts of methods": _PARTS,
    "What is measured": MEASURED,
    "Numbers of a method": _SUMMARIES,
    "Cost": _COST,
    "What is stored": _STORED,
    "Abbreviations": ABBREVIATIONS,
}
"""All terms, by the heading under which the glossary lists them; keys are unique."""

TERMS = {term.key: term for terms in GLOSSARY.values() for term in terms}
"""The same terms by key."""

PARTS = {term.key: term for term in _PARTS}
"""Adapters and consolidations by the names that methods list them under."""
