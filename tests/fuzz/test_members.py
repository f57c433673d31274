"""Members of ten kinds of hostile inputs, each refused in one sentence or done right."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz.members import members

RUNNER = Path(__file__).parent / "members.py"
EVERY = members()
COSTLY = {m.name for m in EVERY if m.slow}


def outcomes(*words):
    """What came of members in a process of their own, by name."""
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    done = subprocess.run(
        [sys.executable, str(RUNNER), *words], env=environment, cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return {row["name"]: row for row in json.loads(done.stdout)}


def wrong(rows):
    return {name: row["fault"] for name, row in rows.items() if row["fault"]}


def test_there_are_members_of_all_ten_kinds_and_each_has_a_name_of_its_own():
    assert {m.kind for m in EVERY} == set(range(1, 11))
    assert len({m.name for m in EVERY}) == len(EVERY) >= 340


@pytest.mark.slow
def test_every_member_is_refused_in_one_sentence_or_done_right():
    rows = outcomes("--slow")
    assert wrong(rows) == {}
    assert len(rows) >= 320
