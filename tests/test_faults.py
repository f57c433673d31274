"""The fault campaign; and a task that is killed in its middle."""

import random
import time

import pytest
from fault_campaign import PATIENCE, Campaign, campaign, timeless_records

from conftest import share_of_campaigns, write_suite


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_kills_stops_and_every_kind_of_harm_lose_nothing_and_change_nothing(tmp_path, show):
    """Fifty kills and ten stops, or with CPBENCH_FUZZ a share of them, but at least 10 and 3."""
    share = share_of_campaigns(1)
    assert campaign(tmp_path, 0, max(10, round(50 * share)), max(3, round(10 * share)), show) == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_task_that_is_killed_goes_on_from_its_checkpoint_to_the_undisturbed_result(tmp_path):
    suite = write_suite(tmp_path, training={"steps": 150, "batch": 2, "pictures": 2})
    c = Campaign(tmp_path, random.Random(0), suite)
    process, units = c.start("home", "out", 1, 1), tmp_path / "home" / "units"
    while process.poll() is None and not list(units.glob("*.scratch/learn-*.safetensors")):
        time.sleep(0.02)
    assert process.poll() is None
    process.kill()
    process.communicate(timeout=PATIENCE)
    (scratch,) = units.glob("*.scratch")
    assert not (units / scratch.stem).exists(), "it was killed inside the task"
    c.end(c.start("home", "out", 1, 1), {0})
    c.end(c.start("calm", "calm-out", 1, 1), {0})
    (resumed,) = (tmp_path / "audit").glob("*.resumed")
    assert resumed.name.startswith(f"{scratch.stem}.learn.") and 0 < int(resumed.read_text()) < 150
    assert not c.faults
    assert timeless_records(tmp_path / "out") == timeless_records(tmp_path / "calm-out") != {}
