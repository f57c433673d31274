"""The result record (schema 1): one JSON file per run, append-only, self-describing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..hashing import digest


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Run(_Record):
    """What was run: everything that decides the scores."""

    suite: str
    suite_version: int
    suite_hash: str
    backbone: str
    weights: str
    method: str
    options: dict[str, Any]
    order: list[str]
    """Names of the concepts in the order in which they were taught; its length is T."""
    seed: int
    protocol: Literal["final", "full"]
    profile: str
    extractors: dict[str, str]
    device: str
    dtype: str

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
    i: int = Field(ge=0)
    j: int = Field(ge=0)
    concept: str
    prompt: int | None
    metric: str
    value: float
    n: int
    higher_is_better: bool
    se: float | None = None
    other: str | None = None


class TaskCost(_Record):
    """What one task cost: seconds of training, bytes kept for later tasks, seconds to draw one picture."""

    task: int
    train_seconds: float
    peak_memory_bytes: int
    trainable_parameters: int
    stored_bytes: int
    seconds_per_picture: float
    figures: dict[str, float]


class Result(_Record):
    """One run with its scores and costs; ``units`` maps its pictures and states to the store."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    run: Run
    scores: list[Score]
    cost: list[TaskCost]
    environment: dict[str, Any]
    units: dict[str, str]
    """Store keys: ``draw/<i>/<j>`` of the pictures and ``train/<i>`` of the state after task i."""
    status: Literal["ok", "error"]
    error: str | None = None
    created: str

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def result_path(folder: Path, run: Run) -> Path:
    """The file of a run's record in the results folder."""
    return folder / run.suite / run.method / f"{run.id}.json"


def write_result(folder: Path, result: Result) -> Path:
    """Write a record, whole or not at all; it replaces an earlier record of the same run only."""
    path = result_path(folder, result.run)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    partial.write_text(result.model_dump_json(by_alias=True, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)
    return path


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a record, as committed in ``results/schema-1.json``."""
    return Result.model_json_schema(by_alias=True)
