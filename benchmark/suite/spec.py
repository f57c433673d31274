"""Suites: which concepts are taught, with which budget, and how the result is evaluated.

A suite is a YAML file, in ``datasets_spec/`` or anywhere else. It is validated once, when it is loaded.
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
    """One concept to learn: its name, its class noun, and the source of its pictures.

    The source is either ``toybox``, the seed of an individual of the embedded world, or ``folder``, a folder of
    pictures relative to the YAML file.
    """

    name: str
    noun: str
    toybox: int | None = None
    folder: str | None = None

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
            raise ValueError(f"concept name '{name}' must start with a lower-case letter, then a-z, 0-9 and '-' only")
        return name

    @field_validator("folder")
    @classmethod
    def _inside(cls, folder: str | None) -> str | None:
        if folder is not None and (Path(folder).is_absolute() or ".." in Path(folder).parts):
            raise ValueError(f"folder '{folder}' must be a relative path inside the folder of the YAML file")
        return folder

    @model_validator(mode="after")
    def _one_source(self) -> Concept:
        if (self.toybox is None) == (self.folder is None):
            raise ValueError(f"concept '{self.name}' needs exactly one source: give either toybox or folder")
        return self


class Prompts(_Frozen):
    """Prompt templates: one ``{}`` per concept.

    ``train`` is the prompt of the training pictures, ``evaluation`` those of the measured ones. ``pairs`` have two
    placeholders, for two concepts in one picture. ``prior`` have none: they describe things that are never
    personalised, and measure how learning changes the rest of the model.
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
            (0, "zero times", self.prior),
        ):
            for prompt in prompts:
                if _placeholders_in(prompt) != n:
                    raise ValueError(f"prompt '{prompt}' must contain the placeholder {{}} {words} and no other brace")
        return self


def _placeholders_in(prompt: str) -> int:
    """The number of ``{}`` in a prompt; -1 if it has other braces."""
    plain = prompt.replace(PLACEHOLDER, "")
    return -1 if "{" in plain or "}" in plain else prompt.count(PLACEHOLDER)


class Training(_Frozen):
    """The budget of every method: updates per task, pictures per update, and training pictures per concept."""

    steps: Count
    batch: Count
    pictures: Count


class Sampling(_Frozen):
    """How pictures are sampled, the same for every method; ``size`` is their side in pixels."""

    sampler: Literal["ddim", "dpm++"]
    steps: Count
    guidance: Annotated[float, Field(ge=1)]
    batch: Count
    size: Count


class Evaluation(_Frozen):
    """What a cell of the matrix is measured on.

    ``per_prompt`` pictures per prompt are compared with ``references`` real ones. ``distractors`` is the number of
    look-alikes for the identity metric (toybox concepts only). ``profile`` is the default scoring profile.
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
            raise ValueError(f"concept names must be unique, got {', '.join(names)}")
        return self

    @property
    def hash(self) -> str:
        """A hash of all fields but ``title`` and ``root`` (16 hexadecimal digits)."""
        return digest(self.model_dump(exclude={"title"}))


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
    path = Path(name) if name.endswith((".yaml", ".yml")) else spec_folder() / f"{name}.yaml"
    if not path.is_file():
        raise unknown("suite", name, suite_names())
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Suite.model_validate({**content, "root": path.parent.resolve()})
    except ValidationError as error:
        raise BadInput(f"{path}: {explain(error)}") from None
    except (yaml.YAMLError, UnicodeDecodeError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise BadInput(f"{path} is not a suite in YAML ({reason}); correct it.") from None
