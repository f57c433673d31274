"""A suite from a folder of pictures: each folder in it is a concept."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ..errors import BadInput
from ..names import MOST, folder_fault, noun_fault
from ..wording import shown
from .folders import CARD, is_picture, of_system
from .images import named, read_picture
from .nouns import noun_in
from .settings import Evaluation, Sampling, Training
from .spec import Concept, Prompts, Suite, suite_names, template_fault
from .strict_yaml import read_yaml
from .twins import prints_of, twins

Nouns = str | Sequence[str] | Mapping[str, str]
"""Class nouns: in the order of the folders' names, or by concept (``my-cat=cat``)."""
_FEW, _MOST_LEARNED = 5, 15
_PLACES = ("on the grass", "in the snow", "on the beach", "in the desert", "at night", "in the forest", "in a room")
_SMALL_PRIOR = (
    "a photo of a blue mushroom in the forest",
    "a photo of a red cup in a room",
    "a photo of a brown dog on the grass",
    "a photo of a yellow bird in the snow",
    "a photo of a white house on the beach",
)
_PRIOR = (
    "a photo of a lighthouse by the sea",
    "a photo of a bowl of fruit on a table",
    "a photo of a city street at night",
    "a photo of a person reading a book",
    "a painting of a village in the mountains",
)


@dataclass(frozen=True)
class Model:
    """What a suite must know of a model: its name, the side of its pictures, and whether it is the drawn world's."""

    name: str
    side: int
    drawn: bool


def own_suite(folder: Path, nouns: Nouns, model: Model) -> Suite:
    """The suite of the folders of concepts in a folder; some pictures of each are held out, where there are enough.

    Raises BadInput for a folder that has none, and for a concept whose noun is neither given nor known.
    """
    found = concept_folders(folder)
    words = nouns_of(found, nouns)
    if lacking := [name for name in found if name not in words]:
        example = ",".join(f"{name}={words.get(name, 'cat')}" for name in found)
        raise BadInput(
            f"--nouns: what is '{lacking[0]}' ({named(found[lacking[0]])})? Give the class noun of each concept, e.g. "
            f"--nouns {example}."
        )
    for name in found:
        if fault := noun_fault(words[name]):
            raise BadInput(f"--nouns: that of '{name}', '{shown(words[name])}', {fault}; give an ordinary word.")
    files = {name: _pictures(path) for name, path in found.items()}
    held = {name: _held_out(name, own) for name, own in files.items()}
    concepts = [
        Concept(name=name, noun=words[name], folder=found[name].name, held_out=tuple(f.name for f in held[name]))
        for name in found
    ]
    learned = max(len(own) - len(held[name]) for name, own in files.items())
    unseen = all(len(own) >= 2 for own in held.values())
    compare: Literal["all", "unseen"] = "unseen" if unseen else "all"
    return Suite(
        name=_suite_name(folder),
        version=1,
        title=f"Own pictures: {', '.join(found)}.",
        licence="pictures of the user",
        backbone=model.name,
        concepts=tuple(concepts),
        prompts=_prompts(model, set(words.values())),
        training=_training(model, learned, captions=all(map(_captioned, files.values()))),
        sampling=_sampling(model),
        evaluation=Evaluation(per_prompt=4, references=2, distractors=0, compare=compare, profile="offline"),
        root=folder.resolve(),
    )


def concept_folders(folder: Path) -> dict[str, Path]:
    """The folders of concepts by the name of the concept, in the order of their names; raises BadInput for none."""
    try:
        inside = sorted(path for path in folder.iterdir() if not of_system(path.name))
    except OSError as error:
        raise BadInput(
            f"--data {shown(folder, 300)}: {error.strerror}; name a folder with a folder per concept."
        ) from None
    places = [path for path in inside if path.is_dir() and any(is_picture(f) for f in path.iterdir())]
    if not places:
        loose = sum(is_picture(path) for path in inside)
        why = f"its {loose} pictures are in no folder" if loose else "no folder in it has pictures"
        raise BadInput(
            f"--data {shown(folder, 300)}: {why}; put the pictures of each concept into a folder of their own, such as "
            f"{folder.name}/cat and {folder.name}/mug."
        )
    found: dict[str, Path] = {}
    for path in places:
        name = _concept_name(path)
        if name in found:
            raise BadInput(f"{named(found[name])} and {named(path)} would both be the concept '{name}'; rename one.")
        found[name] = path
    return found


def nouns_of(found: Mapping[str, Path], nouns: Nouns) -> dict[str, str]:
    """The noun of each concept that has one: as given, else of its ``concept.yaml``, else in its folder's name."""
    given = _given(list(found), nouns)
    known = {name: given.get(name) or _noun_in_file(path) or noun_in(path.name) for name, path in found.items()}
    return {name: noun for name, noun in known.items() if noun}


def _given(names: Sequence[str], nouns: Nouns) -> dict[str, str]:
    if isinstance(nouns, Mapping):
        pairs = dict(nouns)
    else:
        words = [w.strip() for w in nouns.split(",") if w.strip()] if isinstance(nouns, str) else list(nouns)
        by_name = [word.partition("=") for word in words]
        if words and not any(equals for _, equals, _ in by_name):
            if len(words) != len(names):
                raise BadInput(
                    f"--nouns: {len(words)} nouns for {len(names)} concepts ({', '.join(names)}); give one each."
                )
            return dict(zip(names, words, strict=True))
        pairs = {name.strip(): noun.strip() for name, _, noun in by_name}
    if lost := [name for name in pairs if name not in names]:
        raise BadInput(f"--nouns: no concept is named '{shown(lost[0])}'; there are {', '.join(names)}.")
    return pairs


def _noun_in_file(folder: Path) -> str | None:
    file = folder / CARD
    if not file.is_file():
        return None
    read = read_yaml(file).content
    if not isinstance(read, dict) or set(read) != {"noun"} or not isinstance(read["noun"], str):
        raise BadInput(f"{named(file)}: it should have one line, such as 'noun: cat'.")
    return read["noun"]


def _concept_name(folder: Path) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-")[:MOST]
    if not name or not name[0].isalpha():
        raise BadInput(f"{named(folder)}: the name of a concept begins with a letter from a to z; rename the folder.")
    return f"my-{name}"[:MOST] if name == "prior" or noun_in(folder.name) == name else name


def _suite_name(folder: Path) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", folder.resolve().name).strip("-.") or "own"
    name = f"my-{name}" if name in suite_names() else name
    if fault := folder_fault(name):
        raise BadInput(f"--data {shown(folder, 300)}: the name of the folder {fault}; rename it.")
    return name


def _pictures(folder: Path) -> list[Path]:
    return sorted(f for f in folder.iterdir() if not of_system(f.name) and is_picture(f))


def _held_out(name: str, files: Sequence[Path]) -> list[Path]:
    """The last quarter by name, two at least, of the pictures that look like no other; none of few pictures."""
    if len(files) < _FEW:
        return []
    prints = prints_of(name, files, np.stack([read_picture(file, 64) for file in files]))
    alike = {one.file for pair in twins(prints) for one in (pair.earlier, pair.later)}
    alone = [file for file in files if file not in alike]
    wanted = max(2, len(files) // 4, len(files) - _MOST_LEARNED)
    chosen = alone[-min(wanted, max(0, len(files) - 3)) :]
    return chosen if len(chosen) >= 2 and len(chosen) < len(files) - 1 else []


def _captioned(files: Sequence[Path]) -> bool:
    """Whether each picture has a text beside it with a place for the concept."""
    texts = [file.with_suffix(".txt") for file in files]
    try:
        return all(template_fault(" ".join(text.read_text(encoding="utf-8").split())) is None for text in texts)
    except (OSError, UnicodeDecodeError):
        return False


def _prompts(model: Model, nouns: set[str]) -> Prompts:
    scenes = [f"a photo of a {{}} {place}" for place in _PLACES]
    more = [] if model.drawn else ["a watercolour painting of a {}"]
    prior = [p for p in (_SMALL_PRIOR if model.drawn else _PRIOR) if not nouns.intersection(p.split())]
    return Prompts(
        train="photo of a {}",
        evaluation=("photo of a {}", *scenes, *more),
        pairs=("a photo of a {} and a {}",),
        prior=tuple(prior),
    )


def _training(model: Model, learned: int, *, captions: bool) -> Training:
    steps, batch = (150, 8) if model.drawn else (500, 4)
    return Training(steps=steps, batch=batch, pictures=learned, captions=captions)


def _sampling(model: Model) -> Sampling:
    if model.drawn:
        return Sampling(sampler="dpm++", steps=12, guidance=2.0, batch=32, size=model.side)
    return Sampling(sampler="dpm++", steps=25, guidance=7.5, batch=4, size=model.side)
