"""Draw pictures of one concept, of a pair, or of none."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...hashing import digest
from ...plan.units import Draw
from ...protocol import Pictures, Prompt, Tick, Watch
from ...suite.concepts import label_of, subject_of
from .method import Loaded
from .pictures import write_pictures


def draw(unit: Draw, loaded: Loaded, folder: Path, watch: Watch) -> dict[str, Any]:
    """Write the pictures of all prompts, one after another; glimpses of several subjects go into a folder each."""
    each = [(p, k) for p in range(len(unit.prompts)) for k in range(unit.per_prompt)]
    cells = [(who, p, k) for who in unit.groups for p, k in each]
    prompts = [Prompt(unit.prompts[p], tuple(map(subject_of, who))) for who, p, _ in cells]
    seeds = [int(digest([unit.seed, label_of(who), unit.prompts[p], k]), 16) % 2**31 for who, p, k in cells]
    watch(Tick("draw", 0, len(cells)))
    with _generator(unit, loaded) as generate:
        start = time.perf_counter()
        pictures = generate(prompts, seeds)
        seconds = time.perf_counter() - start
    for n, who in enumerate(unit.groups):
        place = folder / label_of(who) if unit.each else folder
        place.mkdir(exist_ok=True)
        write_pictures(place, pictures[n * len(each) : (n + 1) * len(each)])
    watch(Tick("draw", len(cells), len(cells)))
    return {"seconds_per_picture": seconds / len(cells), "prompt_of_picture": [p for p, _ in each]}


@contextmanager
def _generator(unit: Draw, loaded: Loaded) -> Iterator[Callable[[list[Prompt], list[int]], Pictures]]:
    if unit.state is None or unit.method is None:
        sample = loaded.backbone.sample
        yield lambda prompts, seeds: sample([p.render(lambda s: s.noun) for p in prompts], seeds)
    else:
        with loaded.method(unit.method.make, unit.state) as method:
            yield method.generate
