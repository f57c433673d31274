"""``cpbench.sample``: new pictures of a trained state."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from ..errors import BadInput, unknown
from ..models.backbone import Backbone
from ..numbers import Range
from ..protocol import Method, Pictures, Prompt, Subject
from ..ranged import in_range
from ..run.events import OnEvent, Preparing, ignored, warning
from ..run.quiet import quiet_libraries
from ..suite.concepts import subject_of
from ..suite.spec import Suite
from .arguments import TaskNumber, Where
from .runs import drawn_with, suite_of_run, task_of, the_run
from .states import trained

Strength = Annotated[float, Range(0, 10)]
Many = Annotated[int, Range(1, 1_000)]
Seed = Annotated[int, Range(0, 2**31 - 1)]
_ENDINGS = (".png", ".jpg", ".webp")
_TOKEN = re.compile(r"<([^<>\s]+)>")


@dataclass(frozen=True)
class Sampled:
    """The pictures of a prompt, (n, size, size, 3), and the prompt as the model read it."""

    prompt: str
    pictures: Pictures


def sample(
    run: str,
    prompts: str | Sequence[str],
    *,
    task: TaskNumber | None = None,
    strength: Strength = 1.0,
    pictures: Many = 4,
    seed: Seed = 0,
    suite: str | Path | Suite | None = None,
    results: Where = None,
    device: str = "auto",
    dtype: str | None = None,
    on_event: OnEvent = ignored,
) -> list[Sampled]:
    """Draw pictures of prompts with the state of a run after a task.

    run: the id of a record, or its first characters. prompts: one or several; ``<my-cat>`` stands for a concept as the
    method names it, with its class noun. task: the last one by default; 0 is the base model. strength: multiplies the
    change of the weights. pictures: how many per prompt; number k has the seed ``seed + k``. suite: needed if this
    machine does not know that of the run. results: a folder of records or several, by default ``./runs`` and the
    shipped ones. dtype: that of the run by default.

    Raises BadInput for a run whose states are not in the store, and for a prompt with an unknown concept.
    """
    task, strength, pictures, seed = in_range(sample, task=task, strength=strength, pictures=pictures, seed=seed)
    warn = warning(on_event)
    result = the_run(run, results, warn)
    number, spec = task_of(result, task), suite_of_run(result, suite)
    subjects = {c.name: subject_of(c) for c in spec.concepts if c.name in result.run.order}
    asked = [parsed(text, subjects) for text in ([prompts] if isinstance(prompts, str) else prompts)]
    on_event(Preparing("loading the model"))
    sampling = drawn_with(spec, strength).sampling
    model, method = trained(result, number, sampling, warn, device, dtype or result.run.dtype)
    if strength != 1 and not getattr(method, "scales", False):
        raise BadInput(
            f"--strength {strength:g}: {result.run.method} changes no weights after task {number}; leave it out."
        )
    with quiet_libraries():
        return list(_drawn(model, method, asked, range(seed, seed + pictures), on_event))


def parsed(text: str, subjects: Mapping[str, Subject]) -> Prompt:
    """A prompt whose concepts are written as ``<name>``; their class noun may follow. BadInput for an unknown name."""
    found: list[Subject] = []
    parts = _TOKEN.split(text.replace("{", "{{").replace("}", "}}"))
    for name in parts[1::2]:
        if name not in subjects:
            raise unknown("concept", name, subjects)
        found.append(subjects[name])
    rest = [parts[0]]
    for subject, after in zip(found, parts[2::2], strict=True):
        rest.append(re.sub(rf"^ {re.escape(subject.noun)}\b", "", after))
    return Prompt("{}".join(rest), tuple(found))


def picture_file(path: Path) -> Path:
    """Unchanged; raises BadInput for a path whose ending is not that of a picture."""
    if path.suffix.lower() not in _ENDINGS:
        raise BadInput(f"--out {path}: give a name that ends in {', '.join(_ENDINGS)}.")
    return path


def _drawn(
    model: Backbone, method: Method | None, prompts: Sequence[Prompt], seeds: range, on_event: OnEvent
) -> Iterator[Sampled]:
    phrase = getattr(method, "phrase", lambda subject: subject.noun)
    at_once = max(1, model.sampling.batch)
    for k, prompt in enumerate(prompts):
        parts, text = [], prompt.render(phrase)
        model.check_prompts([prompt.render(lambda subject: subject.noun)], spare=len(prompt.subjects))
        for first in range(0, len(seeds), at_once):
            some = list(seeds[first : first + at_once])
            on_event(Preparing("drawing", k * len(seeds) + first, len(prompts) * len(seeds)))
            if method is None:
                parts.append(model.sample([text] * len(some), some))
            else:
                parts.append(method.generate([prompt] * len(some), some))
        yield Sampled(text, np.concatenate(parts))
