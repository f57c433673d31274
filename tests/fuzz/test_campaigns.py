"""Campaigns of mutated inputs. A quarter of each runs; CPBENCH_FUZZ=1 runs all 25,000 examples (8 CPU minutes)."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import share_of_campaigns

CAMPAIGN = Path(__file__).parent / "campaign.py"
WHOLE = {"specs": 8000, "records": 6000, "commands": 6000, "pictures": 5000}
SHARE = share_of_campaigns(0.25)


def summary(kind, count, start=0):
    """What a campaign found, in a process of its own."""
    words = [sys.executable, str(CAMPAIGN), kind, "--count", str(count), "--start", str(start)]
    done = subprocess.run(words, cwd=CAMPAIGN.parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kind", WHOLE)
def test_mutated_inputs_end_in_one_sentence_or_right_and_touch_no_other_file(kind, capsys):
    count = int(WHOLE[kind] * SHARE)
    found = summary(kind, count)
    with capsys.disabled():
        print(f"\n{kind}: {found['examples']} examples in {found['seconds']} s, {found['outcomes']}")
    assert found["faults"] == []
    assert found["examples"] == count and min(found["outcomes"].values()) > 0.02 * count


@pytest.mark.slow
def test_examples_are_made_again_by_their_numbers():
    first, again = (summary("specs", 12, 40) for _ in range(2))
    assert first["outcomes"] == again["outcomes"] and first["faults"] == again["faults"] == []
