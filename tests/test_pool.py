"""Several processes: the same results as one, whatever happens to them."""

import os
import signal
import time

import pytest

from cpbench.benchmark.plan.units import Train, gather
from cpbench.benchmark.run.events import Ended, Ticked
from cpbench.benchmark.run.opening import load
from cpbench.benchmark.run.pool import TRIES, Pool, recipes
from cpbench.benchmark.run.scheduler import execute
from cpbench.benchmark.run.session import Recipe
from cpbench.benchmark.scoring.profiles import load_profile
from cpbench.methods.registry import choose


@pytest.fixture
def recipe(suite, tmp_path):
    return Recipe(suite, tmp_path / "home", load_profile("toybox"), "tiny", device="cpu")


def units_of(recipe, *methods):
    session = load(recipe, print)
    return gather(session.plan(choose(",".join(methods), {}), [(0, 1)], [0], "final")), session.store


@pytest.mark.slow
def test_a_process_that_is_killed_costs_only_its_unit_which_is_done_in_a_new_one(recipe):
    units, store = units_of(recipe, "lora")
    killed = []

    def kill(event):
        if isinstance(event, Ticked) and isinstance(event.unit, Train) and not killed:
            killed.append(event.unit.key)
            (worker,) = [w for w in pool.workers if w.unit and w.unit.key == event.unit.key]
            os.kill(worker.process.pid, signal.SIGKILL)

    with Pool(recipe, 2) as pool:
        outcome = execute(pool, units, kill)
    assert killed and not outcome.errors and outcome.left == 0
    assert store.keys() == set(units)


@pytest.mark.slow
def test_a_unit_whose_process_always_dies_fails_with_a_sentence_and_the_others_are_done(recipe):
    units, store = units_of(recipe, "lora,vera")
    doomed = next(u for u in units.values() if isinstance(u, Train) and u.method.name == "lora")

    def kill(event):
        for worker in pool.workers:
            if worker.unit is not None and worker.unit.key == doomed.key:
                os.kill(worker.process.pid, signal.SIGKILL)

    class Killing(Pool):
        def start(self, unit, on_event):
            super().start(unit, on_event)
            kill(None)

    with Killing(recipe, 1) as pool:
        outcome = execute(pool, units, kill)
    assert (
        f"its process ended {TRIES} times (signal SIGKILL); probably too little memory" in (outcome.errors[doomed.key])
    )
    assert set(outcome.errors) | store.keys() == set(units)
    assert any(isinstance(units[k], Train) and units[k].method.name == "vera" for k in store.keys())


@pytest.mark.slow
def test_processes_end_with_their_parent(recipe):
    """A pool in a process of its own; that one is killed, and its workers must follow."""
    import subprocess
    import sys

    code = """
import sys, time
from cpbench.benchmark.run.pool import spawn
if __name__ == "__main__":
    worker = spawn(None)
    print(worker.process.pid, flush=True)
    time.sleep(3600)
"""
    script = recipe.home.parent / "parent.py"
    script.write_text(code)
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    for _ in range(6000):
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    pytest.fail("the worker outlived its parent by five minutes")


def test_every_unit_reports_that_the_model_cannot_be_loaded_and_none_with_a_traceback(recipe, capfd):
    from dataclasses import replace

    units, _ = units_of(recipe, "lora")
    first = next(iter(units.values()))
    ended = []
    with Pool(replace(recipe, backbone="gone/model"), 1) as pool:
        pool.start(first, lambda event: None)
        while not ended:
            ended = list(pool.finished())
    assert ended[0].fate == "refused" and "gone/model" in ended[0].error
    assert "Traceback" not in capfd.readouterr().err
    assert isinstance(ended[0], Ended)


def test_processes_take_the_gpus_in_turn(recipe):
    from dataclasses import replace

    assert [r.device for r in recipes(recipe, 2, 2)] == ["cpu", "cpu"]
    assert [r.device for r in recipes(replace(recipe, device="auto"), 3, 2)] == ["cuda:0", "cuda:1", "cuda:0"]
    assert [r.device for r in recipes(replace(recipe, device="auto"), 2, 0)] == ["auto", "auto"]
    assert [r.device for r in recipes(replace(recipe, device="cuda:1"), 2, 1)] == ["cuda:1", "cuda:1"]
