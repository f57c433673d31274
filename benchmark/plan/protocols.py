"""The protocols: which cells of the matrix are measured, and which states are looked at in between.

With T tasks, the protocol ``final`` takes a number of units, of pictures and of forward passes that is linear in T, and
``full`` one that is quadratic.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..suite.spec import Concept, Suite

TUNING = frozenset({"end", "learned"})
"""The protocols of tuning: without the base model, the prior, pairs, classification and glimpses."""


def measured(protocol: str, i: int, last: int) -> Sequence[int]:
    """The places j, from 1, of the concepts that are measured after ``i`` of ``last`` tasks.

    ``full``: all. ``final``: all with the base model and after the last task, else the concept just learned. ``end``,
    for tuning: all after the last task only. ``learned``, for tuning: as ``final``, but nothing with the base model.
    """
    every = range(1, last + 1)
    match protocol:
        case "full":
            return every
        case "final":
            return every if i in (0, last) else [i]
        case "learned" if 0 < i < last:
            return [i]
        case _:
            return every if i == last else []


def looked_at(protocol: str, last: int, *, film: bool = False) -> frozenset[int]:
    """The states between which a run is watched by glimpses and by classification: 1, 2, 4, 8 and so on, and the last.

    All states under ``full``, and for a ``film``; none in tuning. The base model, 0, is not among them.
    """
    if protocol in TUNING:
        return frozenset()
    if protocol == "full" or film:
        return frozenset(range(1, last + 1))
    return frozenset({2**k for k in range(last.bit_length()) if 2**k < last} | {last})


def pairs_of(suite: Suite, concepts: Sequence[Concept], protocol: str) -> list[tuple[tuple[Concept, Concept], int]]:
    """Neighbours in the suite's own order, the last with the first, and when both are known in the given order.

    None where the suite has no prompts for pairs, and in tuning.
    """
    names = [c.name for c in concepts]
    inside = [c for c in suite.concepts if c.name in names]
    if len(inside) < 2 or not suite.prompts.pairs or protocol in TUNING:
        return []
    ring = list(zip(inside, [*inside[1:], inside[0]], strict=True))[: len(inside) if len(inside) > 2 else 1]
    return [(pair, 1 + max(names.index(c.name) for c in pair)) for pair in ring]


def drawn_for(suite: Suite, subjects: int, *, each: bool = False) -> tuple[tuple[str, ...], int]:
    """The prompts of a concept, of a pair, or of none, and how many pictures of each; ``each``: for glimpses."""
    texts, evaluation = suite.prompts, suite.evaluation
    if each:
        return texts.evaluation[:2], 1
    prompts = (texts.prior, texts.evaluation, texts.pairs)[subjects]
    return prompts, evaluation.per_pair if subjects == 2 else evaluation.per_prompt
