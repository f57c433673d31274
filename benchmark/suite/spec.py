"""Suites: which concepts are taught, with which budget, and how the result is evaluated.

A suite is a YAML file, in ``datasets_spec/`` or anywhere else. It is validated once, when it is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from ..errors import BadInput, explain, no_file, unknown
from ..hashing import digest
from ..names import ConceptName, FolderName, Noun, line_fault, line_of, text_fault, text_of
from ..numbers import Count, Range
from ..places import home_read
from ..sparse import Sparse
from ..wording import shown
from .settings import Evaluation, Frozen, Training
from .settings import Sampling as Sampling
from .strict_yaml import is_yaml, read_yaml

PLACEHOLDER = "{}"
FIRST_LOOKALIKE = 900_000
"""Seeds of look-alikes start here; concepts of a suite stay below, so that none is its own look-alike."""
FIRST_STRANGER = 1_000_000
"""Seeds of individuals that are neither concepts nor look-alikes start here."""
_Template = Annotated[str, text_of(1_000)]


class Concept(Frozen):
    """One concept to learn: its name, its class noun, and the source of its pictures.

    The source is either ``toybox``, the seed of an individual of the embedded world, or ``folder``, a folder of
    pictures relative to the YAML file. ``held_out``: names of files in it that are never learned.
    """

    name: ConceptName
    noun: Noun
    toybox: Annotated[int, Range(0, FIRST_LOOKALIKE - 1)] | None = None
    folder: str | None = None
    held_out: Annotated[tuple[Annotated[str, line_of(255)], ...], Field(max_length=10_000)] = ()

    @field_validator("folder")
    @classmethod
    def _inside(cls, folder: str | None) -> str | None:
        if folder is None:
            return None
        if fault := line_fault(folder, 1_000):
            raise ValueError(
                f"folder '{shown(folder)}' {fault}; give a path relative to the YAML file, '.' for its own"
            )
        if Path(folder).is_absolute() or ".." in Path(folder).parts or "\\" in folder:
            raise ValueError(
                f"folder '{shown(folder)}' must be a relative path inside the folder of the YAML file, written with /"
            )
        return folder

    @model_validator(mode="after")
    def _one_source(self) -> Concept:
        if (self.toybox is None) == (self.folder is None):
            raise ValueError(f"concept '{self.name}' needs exactly one source: give either toybox or folder")
        if self.held_out and self.folder is None:
            raise ValueError(f"concept '{self.name}' is drawn, so that no file can be held_out; remove that")
        return self

    @model_serializer(mode="wrap")
    def _without_default(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """As before there was ``held_out``, where nothing is: hashes of suites stay the same."""
        found: dict[str, Any] = dump(self)
        return found if self.held_out else {name: value for name, value in found.items() if name != "held_out"}

    @property
    def source(self) -> tuple[str, ...]:
        """Where its pictures come from: two concepts of one source are the same."""
        return ("toybox", self.noun, str(self.toybox)) if self.folder is None else ("folder", str(Path(self.folder)))


class Prompts(Frozen):
    """Prompt templates: one ``{}`` per concept.

    ``train`` is the prompt of the training pictures, ``evaluation`` those of the measured ones. ``pairs`` have two
    placeholders, for two concepts in one picture. ``prior`` have none: they describe things that are never
    personalised, and measure how learning changes the rest of the model.
    """

    train: _Template
    evaluation: tuple[_Template, ...] = Field(min_length=1, max_length=1_000)
    pairs: tuple[_Template, ...] = Field(default=(), max_length=1_000)
    prior: tuple[_Template, ...] = Field(default=(), max_length=1_000)

    @model_validator(mode="after")
    def _placeholders(self) -> Prompts:
        for n, words, prompts in (
            (1, "exactly once", (self.train, *self.evaluation)),
            (2, "exactly twice", self.pairs),
            (0, "zero times", self.prior),
        ):
            for prompt in prompts:
                if _placeholders_in(prompt) != n:
                    raise ValueError(
                        f"prompt '{shown(prompt)}' must contain the placeholder {{}} {words} and no other brace"
                    )
        return self

    @model_validator(mode="after")
    def _no_prompt_twice(self) -> Prompts:
        for kind, prompts in (("evaluation", self.evaluation), ("pairs", self.pairs), ("prior", self.prior)):
            if again := _first_again([_read(prompt) for prompt in prompts]):
                raise ValueError(
                    f"prompt '{shown(prompts[again])}' is twice in {kind}, so it would count twice; remove one"
                )
        return self


def template_fault(text: str) -> str | None:
    """What is wrong with a prompt template for one concept; None: nothing."""
    if _placeholders_in(text) != 1:
        return "must contain the placeholder {} exactly once and no other brace"
    return text_fault(text, 1_000)


def _placeholders_in(prompt: str) -> int:
    """The number of ``{}`` in a prompt; -1 if it has other braces."""
    plain = prompt.replace(PLACEHOLDER, "")
    return -1 if "{" in plain or "}" in plain else prompt.count(PLACEHOLDER)


def _read(text: str) -> str:
    """A text as the tokenizers of text encoders read it: white space is one space, capitals are small letters."""
    return " ".join(text.split()).lower()


def _first_again(values: Sequence[object]) -> int | None:
    """The place of the first value that was there before, or None."""
    return next((k for k, value in enumerate(values) if value in values[:k]), None)


class Suite(Frozen, Sparse):
    """A benchmark: concepts in their first order, prompts, budget, sampling and evaluation.

    ``data``: the data sets that its folders are in (``dreambooth/cat``), if they are not beside its YAML file.
    """

    name: FolderName
    version: Count
    title: Annotated[str, text_of(1_000)]
    licence: Annotated[str, text_of(10_000)]
    backbone: Annotated[str, line_of(1_000)]
    concepts: tuple[Concept, ...] = Field(min_length=1, max_length=1_000)
    prompts: Prompts
    training: Training
    sampling: Sampling
    evaluation: Evaluation
    data: tuple[FolderName, ...] = ()
    root: Path = Field(default=Path(), exclude=True)

    @model_validator(mode="after")
    def _distinct(self) -> Suite:
        if again := _first_again([c.name for c in self.concepts]):
            raise ValueError(f"concept names must be unique, and '{self.concepts[again].name}' is there twice")
        sources = [c.source for c in self.concepts]
        if again := _first_again(sources):
            one, other = self.concepts[sources.index(sources[again])], self.concepts[again]
            raise ValueError(
                f"concepts '{one.name}' and '{other.name}' are the same ({' '.join(one.source)}); remove one"
            )
        return self

    @model_validator(mode="after")
    def _no_tokens(self) -> Suite:
        p = self.prompts
        for prompt in (p.train, *p.evaluation, *p.pairs, *p.prior):
            if found := [c.name for c in self.concepts if f"<{c.name}>" in prompt]:
                raise ValueError(f"prompt '{shown(prompt)}' has the token <{found[0]}> of a concept; remove it")
        return self

    @property
    def hash(self) -> str:
        """A hash of all fields but ``title``, ``licence`` and ``root``: 16 hexadecimal digits.

        ``sampling.strength`` is a fact of a run: the same suite may be drawn with several.
        """
        return digest(self.model_dump(exclude={"title": True, "licence": True, "sampling": {"strength"}}))


def data_folder(name: str) -> Path:
    """Where a data set is on this machine, if it is."""
    return home_read() / "data" / name


def spec_folder() -> Path:
    """The folder of the YAML files that ship with cpbench."""
    return Path(str(files("cpbench.datasets_spec")))


def suite_names() -> list[str]:
    """The names of the suites that ship with cpbench, sorted."""
    return sorted(path.stem for path in spec_folder().glob("*.yaml"))


def load_suite(name: str) -> Suite:
    """Load a shipped suite by name, or any suite by the path of its YAML file.

    Raises BadInput if there is no such suite, or if the file is not a valid one.
    """
    path = _path_of(name)
    read, shortly = read_yaml(path), shown(path, 300)
    if not isinstance(read.content, dict):
        raise BadInput(f"{shortly}: not the fields of a suite ({', '.join(_FIELDS)}); see {spec_folder()}.")
    if "root" in read.content:
        raise BadInput(f"{shortly}, line {read.line(['root'])}: field 'root' is unknown; remove it.")
    try:
        found = Suite.model_validate({**read.content, "root": path.parent.resolve()})
        return found.model_copy(update={"root": data_folder("")}) if found.data else found
    except ValidationError as error:
        line = read.line(error.errors()[0]["loc"])
        where = f"{shortly}, line {line}" if line else shortly
        raise BadInput(f"{where}: {explain(error, Suite)}") from None


_FIELDS = [name for name, field in Suite.model_fields.items() if not field.exclude]


def _path_of(name: str) -> Path:
    """The YAML file of a suite; raises BadInput where a name is neither that of a shipped one nor that of a file."""
    if name in suite_names():
        return spec_folder() / f"{name}.yaml"
    path = Path(name)
    try:
        exists = bool(name) and path.exists()
    except (OSError, ValueError):  # the name is too long, or has NUL
        exists = False
    if not exists:
        raise no_file(name, "file of a suite") if is_yaml(path) else unknown("suite", name, suite_names())
    if path.is_file() and not is_yaml(path):
        raise BadInput(f"{shown(path, 300)}: the name of a suite's file must end in .yaml or .yml; rename it.")
    return path
