"""The suites of past runs, so that what comes after a run needs no path of its YAML file."""

from __future__ import annotations

from pathlib import Path

from ..errors import BadInput
from ..plain_json import parse_json, write_json
from ..suite.spec import Suite

_FOLDER = "suites"


def keep_suite(home: Path, key: str, suite: Suite) -> None:
    """Keep a suite under the hash that records have of it."""
    file = home / _FOLDER / f"{key}.json"
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        write_json(file, suite.model_dump(mode="json") | {"root": str(suite.root.resolve())})


def kept_suite(home: Path, key: str) -> Suite | None:
    """The suite with a hash, with the folder of its YAML file as it was; None where it was not kept, or is damaged."""
    try:
        return Suite.model_validate(parse_json((home / _FOLDER / f"{key}.json").read_text()))
    except (OSError, ValueError, BadInput):
        return None
