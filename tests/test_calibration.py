"""What units cost is measured in seconds where the store knows nothing, and never gets in the way of a run."""

from collections import Counter
from dataclasses import replace

import pytest
import torch

from conftest import write_suite
from cpbench.benchmark.plan.costs import Costs
from cpbench.benchmark.run.calibration import calibrated
from cpbench.benchmark.run.events import Preparing
from cpbench.benchmark.run.opening import load
from cpbench.benchmark.run.session import Recipe
from cpbench.benchmark.scoring.profiles import load_profile
from cpbench.benchmark.suite.spec import load_suite
from cpbench.methods.learner import Learner
from cpbench.methods.registry import choose

NOTHING = Costs({}, {}, 0)


def opened(folder, **changes):
    suite = load_suite(str(write_suite(folder, **changes)))
    return load(Recipe(suite, folder / "home", load_profile("toybox"), "tiny", device="cpu"), print)


@pytest.fixture
def session(tmp_path):
    return opened(tmp_path)


def left(*methods):
    kinds = [("Draw", ""), ("Measure", ""), ("Classify", ""), ("Real", ""), *(("Train", m) for m in methods)]
    return Counter(dict.fromkeys(kinds, 2))


def test_every_kind_is_measured_once_per_machine_and_changes_no_random_stream(session):
    methods, events, before = choose("lora,dsc", {}), [], torch.get_rng_state()
    first = calibrated(session, methods, left("lora", "dsc"), NOTHING, events.append)
    assert first.calibrated and all(first.second(kind) > 0 for kind in left("lora", "dsc"))
    assert {("Train", "lora"), ("Train", "dsc"), ("Draw", ""), ("Measure", ""), ("Classify", "")} == set(first.seconds)
    again = calibrated(session, methods, left("lora", "dsc"), NOTHING, events.append)
    assert again.seconds == first.seconds
    assert [type(e) for e in events] == [Preparing], "the second time the result is read"
    assert torch.equal(torch.get_rng_state(), before)


def test_what_the_store_knows_is_not_measured(session):
    known = Costs({kind: 1.0 for kind in left("lora")}, {}, 9)
    assert calibrated(session, choose("lora", {}), left("lora"), known, pytest.fail) is known


def test_units_of_another_suite_are_no_measure_of_this_one(session):
    known = Costs({kind: 1e6 for kind in left("lora")}, {}, 9, foreign=frozenset(kind for kind, _ in left("lora")))
    found = calibrated(session, choose("lora", {}), left("lora"), known, lambda _: None)
    assert all(found.second(kind) < 1e6 for kind in left("lora") if kind[0] != "Real")


def test_a_slow_model_is_estimated_from_a_single_prediction(session, monkeypatch):
    """On a CPU, Stable Diffusion takes minutes per update: nothing is trained or drawn to tell so."""
    monkeypatch.setattr(Learner, "learn", lambda *_: pytest.fail("it trains"))
    monkeypatch.setattr(type(session.runner.backbone), "sample", lambda *_: pytest.fail("it draws"))
    found = calibrated(session, choose("lora", {}), left("lora"), NOTHING, lambda _: None, patience=0.0)
    assert found.calibrated and {("Train", "lora"), ("Draw", ""), ("Classify", "")} <= set(found.seconds)


def test_a_method_that_fails_costs_what_the_others_do(session):
    def broken(backbone, seed):
        raise RuntimeError("no such luck")

    (lora,) = choose("lora", {})
    methods = [lora, replace(lora, name="broken", make=broken)]
    found = calibrated(session, methods, left("lora", "broken"), NOTHING, lambda _: None)
    assert found.seconds["Train", "broken"] == found.seconds["Train", "lora"]


def test_pictures_too_few_for_a_metric_leave_a_guess(tmp_path):
    sampling = {"sampler": "dpm++", "steps": 2, "guidance": 2.0, "batch": 1, "size": 64}
    session = opened(tmp_path, sampling=sampling)
    found = calibrated(session, choose("lora", {}), left("lora"), NOTHING, lambda _: None)
    assert found.seconds["Train", "lora"] > 0 and found.second(("Measure", "")) > 0


def test_a_damaged_file_of_measurements_is_measured_again(session):
    (session.recipe.home / "calibration.json").parent.mkdir(parents=True, exist_ok=True)
    (session.recipe.home / "calibration.json").write_text("[not json")
    assert calibrated(session, choose("lora", {}), left("lora"), NOTHING, lambda _: None).calibrated
