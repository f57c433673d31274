"""Keys that a record has twice, of which a reader of JSON would silently take the last."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from ..plain_json import parse_json
from .result import Result


def repeated_key(text: bytes, result: Result) -> str | None:
    """What is wrong with the JSON that a record was parsed from, in words; None where no key is there twice.

    A record has thousands of keys, and to collect them takes as long as to parse it. So colons are counted first: each
    belongs to a key, or to a text, and where there are no more than the parsed record explains, no key is there twice.
    """
    if b"\\" not in text and text.count(b":") == _keys(result) + _colons(result):
        return None
    try:
        parse_json(text)
    except ValueError as error:
        return str(error)
    return None


def _keys(result: Result) -> int:
    """How many keys the JSON of a record has, if each is there once."""
    parts: Iterable[BaseModel] = (result, result.run, *result.scores, *result.cost)
    named = sum(len(part.__pydantic_fields_set__) for part in parts)
    free = (result.run.options, result.run.extractors, result.environment, result.units, result.code)
    return named + sum(map(_nested, free)) + sum(len(cost.figures) for cost in result.cost)


def _nested(value: Any) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(_nested, value.values()))
    return sum(map(_nested, value)) if isinstance(value, list) else 0


def _colons(result: Result) -> int:
    """How many colons are in those texts of a record that may have some; others only lead to a slower look."""
    return result.created.count(":") + _inside(result.environment) + _inside(result.run.options)


def _inside(value: Any) -> int:
    if isinstance(value, dict):
        return sum(key.count(":") + _inside(part) for key, part in value.items())
    if isinstance(value, list):
        return sum(map(_inside, value))
    return value.count(":") if isinstance(value, str) else 0
