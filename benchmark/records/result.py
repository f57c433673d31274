"""The result record (schema 1): one JSON file per run, append-only, self-describing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from ..hashing import digest
from ..plain_json import write_whole
from ..sparse import Sparse

MOST = 2**53
"""The largest whole number of a record: every reader of JSON keeps it exactly."""
Whole = Annotated[int, Field(ge=-MOST, le=MOST)]
Natural = Annotated[int, Field(ge=0, le=MOST)]
Positive = Annotated[int, Field(ge=1, le=MOST)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Run(_Record, Sparse):
    """What was run: everything that decides the scores.

    ``strength``: what the change of the weights was multiplied by while pictures were drawn.
    """

    suite: str
    suite_version: Whole
    suite_hash: str
    backbone: str
    weights: str
    method: str
    options: dict[str, Any]
    order: list[str]
    """Names of the concepts in the order in which they were taught; its length is T."""
    seed: Whole
    protocol: Literal["final", "full"]
    profile: str
    extractors: dict[str, str]
    device: str
    dtype: str
    strength: Annotated[FiniteFloat, Field(ge=0, le=10)] = 1.0

    @property
    def id(self) -> str:
        """A hash: the same run has the same id on every machine."""
        return digest(self.model_dump())


class Score(_Record):
    """One number of the long matrix.

    ``i`` tasks were learned (0: the base model) when pictures of the ``j``-th concept of the order (from 1) were
    drawn. ``j`` is 0 for pictures of the prior (nothing personalised), and the place of the later concept for a pair,
    whose ``concept`` is "first+second". ``source`` is ``model``, or ``real`` for the ceiling: held-out real pictures in
    the place of drawn ones (then ``i`` is 0). ``prompt`` is the index of the evaluation prompt, or None where a value
    is of the whole cell; ``se`` is then its standard error over prompts and pictures. ``other`` is the concept that
    pictures were taken for (``dc_confusion`` only).
    """

    source: Literal["model", "real"]
    i: Natural
    j: Natural
    concept: str
    prompt: Natural | None
    metric: str
    value: FiniteFloat
    n: Positive
    higher_is_better: bool
    se: Annotated[FiniteFloat, Field(ge=0)] | None = None
    other: str | None = None


class TaskCost(_Record):
    """What one task cost: seconds of training, bytes kept for later tasks, seconds to draw one picture."""

    task: Positive
    train_seconds: FiniteFloat = Field(ge=0)
    peak_memory_bytes: Natural
    trainable_parameters: Natural
    stored_bytes: Natural
    seconds_per_picture: FiniteFloat = Field(ge=0)
    figures: dict[str, FiniteFloat]


class Result(_Record):
    """One run with its scores and costs; ``units`` maps its pictures and states to the store."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    run: Run
    scores: list[Score]
    cost: list[TaskCost]
    environment: dict[str, Any]
    units: dict[str, str]
    """Store keys: ``draw/<i>/<j>`` of the pictures and ``train/<i>`` of the state after task i."""
    code: dict[str, str] = {}
    """Digests of the code that decided the numbers: of the method, and by kind of unit; empty for older records."""
    status: Literal["ok", "error"]
    error: str | None = None
    created: str

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def result_path(folder: Path, run: Run) -> Path:
    """The file of a run's record in the results folder."""
    return folder / run.suite / run.method / f"{run.id}.json"


def write_result(folder: Path, result: Result) -> Path:
    """Write a record, whole or not at all; it replaces an earlier record of the same run only.

    A failed run never replaces a finished one: then nothing is written, and the earlier record stays at the path.
    """
    path = result_path(folder, result.run)
    if result.status == "error" and finished(path):
        return path
    write_whole(path, result.model_dump_json(by_alias=True, indent=1) + "\n")
    return path


def finished(path: Path) -> bool:
    """Whether there is the record of a finished run at a path; raises OSError if this user cannot read it."""
    try:
        return Result.model_validate_json(path.read_bytes()).status == "ok"
    except (FileNotFoundError, ValueError):
        return False


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a record, as committed in ``results/schema-1.json``."""
    return Result.model_json_schema(by_alias=True)
