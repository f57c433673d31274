"""Reference pictures of how two concepts are drawn together: right, and in the ways in which that fails.

A toybox individual is its class and proportions, which are its shape, and its colours, pattern and accessory, which
are its marks. Where the marks of two concepts change places, the shapes stay where they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import permutations

import numpy as np
import PIL

from ..hashing import digest
from ..protocol import Pictures
from ..toybox.places import PLACES
from ..toybox.world import CLASSES, Individual, common_individual, portrait, unusual_individual
from .concepts import REFERENCE, Subjects, lookalike_sets, toybox_source
from .picture_sets import PictureSet, Rendering
from .spec import FIRST_STRANGER, Suite

Kinds = Mapping[str, Sequence[PictureSet]]
"""Sets of pictures by what they show."""
_STRANGERS = 4  # times as many pictures as of one concept, since every picture shows other individuals


@dataclass(frozen=True)
class Scenes:
    """Toybox pictures with one or two individuals each, of any looks; ``seed`` decides places and poses."""

    shown: tuple[tuple[Individual, ...], ...]
    seed: int

    @property
    def key(self) -> str:
        """A digest of what decides the pixels, the versions of the libraries included; nothing is rendered for it."""
        individuals = [[asdict(one) for one in group] for group in self.shown]
        return digest(["scenes", individuals, self.seed, np.__version__, PIL.__version__])

    def pictures(self) -> Pictures:
        """The pictures, rendered once per process."""
        return _rendered(self.shown, self.seed)


@lru_cache(maxsize=256)
def _rendered(shown: tuple[tuple[Individual, ...], ...], seed: int) -> Pictures:
    order = np.random.default_rng([seed, 78]).permutation(len(PLACES))
    places = [list(PLACES)[order[k % len(PLACES)]] for k in range(len(shown))]
    pictures = np.stack([portrait(group, seed * 10_000 + k, places[k]) for k, group in enumerate(shown)])
    pictures.setflags(write=False)
    return pictures


def outcome_sets(suite: Suite, who: Subjects, stream: int = REFERENCE) -> Kinds:
    """Pictures of a pair of toybox concepts by what they show: ``right`` and the failures; empty for folders.

    ``right``: both. ``twice``: one of the two, twice. ``swapped``: both shapes, with marks exchanged
    (:func:`exchanges`). ``missing``: one of the two, or one of its look-alikes, alone. ``other``: the two, of which
    look-alikes replace one or both. Either individual may be on the left.
    """
    if any(c.toybox is None for c in who):
        return {}
    n, sources = suite.evaluation.references, [toybox_source(c) for c in who]
    pair, seed = [unusual_individual(*source) for source in sources], sum(own for _, own in sources) * 10 + stream
    alone, others = [Rendering((source,), n, stream) for source in sources], lookalike_sets(suite, who, stream)
    return {
        "right": [Rendering(order, n, stream) for order in permutations(sources)],
        "twice": [Rendering((source, source), n, stream) for source in sources],
        "swapped": [Scenes((order,) * n, seed) for shown in exchanges(*pair) for order in permutations(shown)],
        "missing": [*alone, *(like for c in who for like in lookalike_sets(suite, (c,), stream))],
        "other": [*others, *(replace(other, sources=other.sources[::-1]) for other in others)],
    }


def exchanges(a: Individual, b: Individual) -> Iterator[tuple[Individual, Individual]]:
    """The pair with the colours exchanged; of two classes, also with all marks exchanged.

    With all marks exchanged, two individuals of one class would be the same pair in exchanged places.
    """
    yield replace(a, colours=b.colours), replace(b, colours=a.colours)
    if a.noun != b.noun:
        yield replace(b, noun=a.noun, build=a.build), replace(a, noun=b.noun, build=b.build)


def noun_sets(suite: Suite, who: Subjects, stream: int = REFERENCE) -> Kinds:
    """Pictures of strangers of the classes of a pair: ``both`` classes, in either place, or ``fewer``.

    ``fewer``: one individual alone, or two of one class where the pair is of two. Every picture shows other
    individuals, which are no concept and no look-alike of any suite; half of them are such as captions describe. Empty
    for folders.
    """
    if any(c.toybox is None for c in who):
        return {}
    nouns = tuple(c.noun for c in who)
    classes, n = tuple(dict.fromkeys(nouns)), _STRANGERS * suite.evaluation.references

    def of(*shown: str) -> Scenes:
        first = FIRST_STRANGER * (1 + stream)
        groups = (tuple(stranger(noun, first + 2 * k + at) for at, noun in enumerate(shown)) for k in range(n))
        return Scenes(tuple(groups), first)

    alone = [of(noun) for noun in classes]
    twice = [of(noun, noun) for noun in classes] if len(classes) > 1 else []
    return {"both": [of(*order) for order in dict.fromkeys(permutations(nouns))], "fewer": [*alone, *twice]}


@lru_cache(maxsize=65_536)
def stranger(noun: str, seed: int) -> Individual:
    """An individual of a class: with looks that captions describe, or without, by turns of two seeds."""
    if seed // 2 % 2:
        return replace(common_individual(np.random.default_rng([seed, CLASSES.index(noun), 79])), noun=noun)
    return unusual_individual(noun, seed)
