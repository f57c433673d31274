"""What a suite decides for every method: how it is trained, how pictures are sampled, and what they are measured on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..names import line_of, text_of
from ..numbers import Count, Range
from ..sparse import Sparse

Batch = Annotated[int, Range(1, 65_536)]


class Frozen(BaseModel):
    """Values that do not change; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Prior(Frozen):
    """Prior preservation (DreamBooth, arXiv 2208.12242): the class must stay what it was.

    The base model draws ``pictures`` of the class noun; each update also learns ``training.batch`` of them, and their
    loss is multiplied by ``weight``.
    """

    pictures: Annotated[int, Range(1, 100_000)]
    weight: Annotated[float, Range(0, 1e6)] = 1.0


class Training(Frozen, Sparse):
    """The budget of every method: updates per task, pictures per update, and training pictures per concept.

    ``flip``: half of the updates see a picture mirrored. ``crops``: so many squares at random places of each picture,
    in place of its middle one. ``captions``: a text file beside each picture (``a.txt`` for ``a.jpg``) has its prompt,
    with ``{}`` for the concept. ``prior``: :class:`Prior`. ``min_snr``: γ, the most that the signal-to-noise ratio of a
    timestep weighs in the loss (arXiv 2303.09556); 0: it does not weigh. ``noise_offset``: the scale of noise that is
    the same for all pixels of a channel, added to that of every pixel.
    """

    steps: Count
    batch: Batch
    pictures: Annotated[int, Range(1, 100_000)]
    flip: bool = False
    crops: Annotated[int, Range(0, 1_000)] = 0
    captions: bool = False
    prior: Prior | None = None
    min_snr: Annotated[float, Range(0, 1e6)] = 0.0
    noise_offset: Annotated[float, Range(0, 10)] = 0.0


class Sampling(Frozen, Sparse):
    """How pictures are sampled, the same for every method; ``size`` is their side in pixels.

    ``negative``: what guidance leads away from; nothing in particular by default. ``strength``: the change that a
    method made to the weights is multiplied by it.
    """

    sampler: Literal["ddim", "dpm++"]
    steps: Annotated[int, Range(1, 1_000)]
    guidance: Annotated[float, Range(1, 100)]
    batch: Batch
    size: Annotated[int, Range(8, 4_096)]
    negative: Annotated[str, text_of(1_000)] | None = None
    strength: Annotated[float, Range(0, 10)] = 1.0


class Evaluation(Frozen, Sparse):
    """What a cell of the matrix is measured on.

    ``per_prompt`` pictures per prompt, and ``per_pair`` per pair of concepts and prompt of pairs (as many by default),
    are compared with ``references`` real ones. ``distractors`` is the number of look-alikes for the identity metric
    (toybox concepts only). ``compare``: with all pictures of a folder, or with those that are not learned (``unseen``).
    ``profile`` is the default scoring profile.
    """

    per_prompt: Annotated[int, Range(1, 100_000)]
    per_pair: Annotated[int, Range(1, 100_000)] = Field(default_factory=lambda given: given.get("per_prompt", 1))
    references: Annotated[int, Range(2, 100_000)]
    distractors: Annotated[int, Range(0, 10_000)]
    compare: Literal["all", "unseen"] = "all"
    profile: Annotated[str, line_of(64)]
