"""Suites: which concepts are taught, how long, and how the result is looked at.

A suite is a YAML file in ``datasets_spec/`` or anywhere; it is data, checked here once and frozen.
"""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ..errors import BadInput, explain, unknown
from ..hashing import digest

Count = Annotated[int, Field(ge=1)]
PLACEHOLDER = "{}"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Concept(_Frozen):
    """One thing to learn: its name, its class noun, and where its pictures come from.

    ``toybox``: the seed of an individual of the embedded world. ``folder``: pictures, relative to the spec.
    """

    name: str
    noun: str
    toybox: int | None = None
    folder: str | None = None

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
            raise ValueError(f"concept name '{name}' must be lower-case letters, digits and '-'")
        return name

    @field_validator("folder")
    @classmethod
    def _inside(cls, folder: str | None) -> str | None:
        if folder is not None and (Path(folder).is_absolute() or ".." in Path(folder).parts):
            raise ValueError(f"folder '{folder}' must lie inside the folder of the spec")
        return folder

    @model_validator(mode="after")
    def _one_source(self) -> Concept:
        if (self.toybox is None) == (self.folder is None):
            raise ValueError(f"concept '{self.name}' needs exactly one source: toybox or folder")
        return self


class Prompts(_Frozen):
    """Templates with one ``{}`` where the concept goes: one to train with, several to look with.

    ``pairs`` have two, for two concepts in one picture; ``prior`` have none: they are about things that are never
    personalised, and tell what learning did to the rest of the model.
    """

    train: str
    evaluation: tuple[str, ...] = Field(min_length=1)
    pairs: tuple[str, ...] = ()
    prior: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _placeholders(self) -> Prompts:
        for n, words, prompts in (
            (1, "exactly once", (self.train, *self.evaluation)),
            (2, "exactly twice", self.pairs),
            (0, "nowhere", self.prior),
        ):
            for prompt in prompts:
                if _placeholders_in(prompt) != n:
                    raise ValueError(f"prompt '{prompt}' must hold the placeholder {{}} {words}, and no other brace")
        return self


def _placeholders_in(prompt: str) -> int:
    """How many ``{}`` a prompt has; -1 where it has other braces."""
    plain = prompt.replace(PLACEHOLDER, "")
    return -1 if "{" in plain or "}" in plain else prompt.count(PLACEHOLDER)


class Training(_Frozen):
    """The budget that every method gets: updates a task, and pictures an update."""

    steps: Count
    batch: Count
    pictures: Count


class Sampling(_Frozen):
    """How pictures are drawn: the same for every method."""

    sampler: Literal["ddim", "dpm++"]
    steps: Count
    guidance: Annotated[float, Field(ge=1)]
    batch: Count
    size: Count


class Evaluation(_Frozen):
    """What a cell of the matrix is measured on.

    ``per_prompt`` pictures a prompt, against ``references`` real ones; ``distractors`` other individuals of the
    class for identity (embedded world only). ``profile`` is the one that the suite is scored under unless another is
    asked for.
    """

    per_prompt: Count
    references: Annotated[int, Field(ge=2)]
    distractors: Annotated[int, Field(ge=0)]
    profile: str


class Suite(_Frozen):
    """A benchmark: concepts in their first order, prompts, budget, sampling and evaluation."""

    name: str
    version: Count
    title: str
    licence: str
    backbone: str
    concepts: tuple[Concept, ...] = Field(min_length=1)
    prompts: Prompts
    training: Training
    sampling: Sampling
    evaluation: Evaluation
    root: Path = Field(default=Path(), exclude=True)

    @model_validator(mode="after")
    def _distinct(self) -> Suite:
        names = [c.name for c in self.concepts]
        if len(set(names)) < len(names):
            raise ValueError("concept names must differ from one another")
        return self

    @property
    def hash(self) -> str:
        """Identity of everything in the suite but its title; 16 hexadecimal digits."""
        return digest(self.model_dump(exclude={"title"}))


def spec_folder() -> Path:
    """The folder of the suites that ship with cpbench."""
    return Path(str(files("cpbench.datasets_spec")))


def suite_names() -> list[str]:
    """Names of the suites that ship with cpbench."""
    return sorted(path.stem for path in spec_folder().glob("*.yaml"))


def load_suite(name: str) -> Suite:
    """Load a shipped suite by name, or any suite by the path of its YAML file; raises BadInput."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else spec_folder() / f"{name}.yaml"
    if not path.is_file():
        raise unknown("suite", name, suite_names())
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Suite.model_validate({**content, "root": path.parent.resolve()})
    except ValidationError as error:
        raise BadInput(f"{path}: {explain(error)}") from None
    except (yaml.YAMLError, UnicodeDecodeError, TypeError) as error:
        raise BadInput(f"{path}: not a suite in YAML ({' '.join(str(error).split())}).") from None
