"""Captioned scenes, the training data of the toybox model, and their vocabulary."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .figures import Colour
from .places import PLACES
from .world import (
    BESIDE,
    CLASSES,
    COLOURS,
    PATTERNS,
    SIDES,
    Individual,
    Picture,
    Pose,
    common_individual,
    random_pose,
    render,
)

WHERE = {
    "grass": "on the grass",
    "snow": "in the snow",
    "beach": "on the beach",
    "desert": "in the desert",
    "night": "at night",
    "sea": "at sea",
    "forest": "in the forest",
    "room": "in a room",
}
WEARING = {
    "hat": "wearing a party hat",
    "crown": "wearing a crown",
    "tophat": "wearing a top hat",
    "bow": "wearing a bow",
}
OPENINGS = ("a photo of", "photo of", "a picture of", "")
_TWO_SUBJECTS = 0.25
_MENTIONED = 0.85


@dataclass(frozen=True)
class Scene:
    """A picture, its caption and its labels, which are those of the first subject if there are two."""

    picture: Picture
    caption: str
    noun: str
    colour: str
    place: str
    subjects: int


def colour_name(colour: Colour) -> str:
    """The name of the nearest colour in ``COLOURS`` (Euclidean, RGB)."""
    return min(COLOURS, key=lambda name: sum((a - b) ** 2 for a, b in zip(COLOURS[name], colour, strict=True)))


def describe(one: Individual, rng: np.random.Generator, mention: float) -> str:
    """A noun phrase for an individual; each attribute is included with probability ``mention``."""
    words = []
    first, second = (colour_name(c) for c in one.colours)
    if rng.random() < mention:
        words += [first] if one.pattern == "plain" else [first, "and", second, one.pattern]
    words.append(one.noun)
    if one.accessory is not None and rng.random() < mention:
        words.append(WEARING[one.accessory])
    return " ".join(["an" if words[0] == "orange" else "a", *words])


def _random_subjects(rng: np.random.Generator) -> list[tuple[Individual, Pose]]:
    """One subject in the middle, or two smaller ones side by side, the first on the left."""
    if rng.random() >= _TWO_SUBJECTS:
        return [(common_individual(rng), random_pose(rng))]
    return [(common_individual(rng), random_pose(rng, x, BESIDE)) for x in SIDES]


def random_scene(seed: int, *, alone: bool = False) -> Scene:
    """Draw a captioned scene from a seed; with ``alone``, one subject that is fully described (for evaluation)."""
    rng = np.random.default_rng([seed, 1 if alone else 0])
    place = str(rng.choice(list(PLACES)))
    subjects = [(common_individual(rng), random_pose(rng))] if alone else _random_subjects(rng)
    mention = 1.0 if alone else _MENTIONED
    opening = "a photo of" if alone else str(rng.choice(OPENINGS, p=[0.4, 0.3, 0.1, 0.2]))
    caption = f"{opening} {' and '.join(describe(one, rng, mention) for one, _ in subjects)}".strip()
    if rng.random() < mention:
        caption += " " + WHERE[place]
    first = subjects[0][0]
    return Scene(render(place, subjects, rng), caption, first.noun, colour_name(first.colours[0]), place, len(subjects))


def vocabulary() -> list[str]:
    """Every word of the caption grammar, in a fixed order on which token ids depend."""
    words = " ".join([*OPENINGS, "a an and", *WHERE.values(), *WEARING.values()]).split()
    return list(dict.fromkeys([*words, *CLASSES, *COLOURS, *PATTERNS, "thing", "animal", "toy", "object"]))
