"""Checkpoints: a task that was interrupted comes to the same bits as one that was not."""

import numpy as np
import pytest
import torch

from conftest import task
from cpbench.benchmark.protocol import unwatched
from cpbench.benchmark.run import checkpoint
from cpbench.benchmark.run.checkpoint import Checkpoints
from cpbench.benchmark.run.phases import Phases
from cpbench.methods.catalogue import CATALOGUE
from cpbench.methods.configure import options_of
from cpbench.methods.registry import choose

CPU = torch.device("cpu")
LEARNING = [name for name, row in CATALOGUE.items() if row.adapter]


class Stop(Exception):
    """Stands for a kill."""


@pytest.fixture(autouse=True)
def _often(monkeypatch):
    monkeypatch.setattr(checkpoint, "EVERY", 0.0)
    monkeypatch.setattr(checkpoint, "SHARE", 1e9)


def scratch(folder):
    return Checkpoints(folder, Phases(CPU, unwatched))


def method(name, backbone, kept=None):
    sections = options_of(name)
    short = {f"{s}.iterations": "5" for s in sections if hasattr(sections[s], "iterations")}
    made = choose(name, short)[0].make(backbone.copy(), 3)
    if kept is not None:
        made.load(kept)
    return made


def files(folder):
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def stopping(at):
    """A watch that stops the process at the k-th tick of the phases that train."""
    ticks = []

    def watch(tick):
        ticks.append(tick)
        if len(ticks) == at:
            raise Stop

    return watch


@pytest.mark.parametrize("name", LEARNING)
def test_a_task_stopped_twice_and_resumed_ends_in_the_same_bits(name, backbone, tmp_path):
    from dataclasses import replace

    for folder in ("first", "whole", "resumed"):
        (tmp_path / folder).mkdir()
    before = method(name, backbone)
    before.learn(task(1, "cat", "mallow"), unwatched)
    before.save(tmp_path / "first")
    second = task(2, "car", "rumble", steps=6)
    whole = method(name, backbone, tmp_path / "first")
    figures = whole.learn(second, unwatched)
    whole.save(tmp_path / "whole")
    stopped = 0
    for at in (3, 9):
        try:
            again = method(name, backbone, tmp_path / "first")
            again.learn(replace(second, scratch=scratch(tmp_path / "scratch")), stopping(at))
        except Stop:
            stopped += 1
            assert list((tmp_path / "scratch").glob("*.safetensors"))
    assert stopped, "at least once it was stopped inside"
    resumed = method(name, backbone, tmp_path / "first")
    assert resumed.learn(replace(second, scratch=scratch(tmp_path / "scratch")), unwatched) == figures
    resumed.save(tmp_path / "resumed")
    assert files(tmp_path / "resumed") == files(tmp_path / "whole")


def test_a_resumed_task_makes_only_the_updates_that_are_left(backbone, tmp_path):
    from dataclasses import replace

    first = replace(task(1, "cat", "mallow", steps=6), scratch=scratch(tmp_path))
    with pytest.raises(Stop):
        method("lora", backbone).learn(first, stopping(5))
    ticks = []
    method("lora", backbone).learn(replace(first, scratch=scratch(tmp_path)), ticks.append)
    assert [t.step for t in ticks] == [5, 6]


def test_a_checkpoint_that_was_cut_short_or_changed_is_passed_over(tmp_path):
    kept = scratch(tmp_path)
    kept.save("learn", {"a": torch.ones(3)})
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    for harmed in (content[:-1], content[:-1] + b"x", b""):
        file.write_bytes(harmed)
        assert scratch(tmp_path).load("learn") is None
    file.write_bytes(content)
    assert scratch(tmp_path).load("learn")["a"].tolist() == [1, 1, 1]
    assert scratch(tmp_path).load("other") is None


def test_only_the_newest_checkpoint_of_a_phase_is_kept(tmp_path):
    kept = scratch(tmp_path)
    for k in range(3):
        kept.save("learn", {"a": torch.tensor(k)})
        kept.save("dsc", {"a": torch.tensor(10 + k)})
    assert len(list(tmp_path.iterdir())) == 2
    assert int(kept.load("learn")["a"]) == 2 and int(kept.load("dsc")["a"]) == 12


def test_the_clock_goes_on_from_the_checkpoint(tmp_path):
    phases = Phases(CPU, unwatched)
    phases.seconds, phases.peak_bytes = {"learn": 5.0}, {"learn": 10}
    Checkpoints(tmp_path, phases).save("learn", {"a": torch.ones(1)})
    later = Phases(CPU, unwatched)
    later.peak_bytes = {"learn": 7, "draw": 3}
    Checkpoints(tmp_path, later).load("learn")
    assert later.seconds == {"learn": 5.0} and later.peak_bytes == {"learn": 10, "draw": 3}


def test_checkpoints_take_a_bounded_share_of_the_time(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "EVERY", 10.0)
    monkeypatch.setattr(checkpoint, "SHARE", 0.02)
    now = [0.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])
    kept = scratch(tmp_path)
    now[0] = 9.9
    assert not kept.due()
    now[0] = 10.0
    assert kept.due()
    saving = checkpoint.save

    def slow(*arguments):
        now[0] += 1.0
        return saving(*arguments)

    monkeypatch.setattr(checkpoint, "save", slow)
    kept.save("learn", {"a": torch.ones(1)})
    now[0] += 49.9
    assert not kept.due(), "a write of 1 s is followed by 50 s without"
    now[0] += 0.1
    assert kept.due()


def test_bfloat16_is_kept_as_it_is(tmp_path):
    value = torch.tensor([1.5, -2.25], dtype=torch.bfloat16)
    kept = scratch(tmp_path)
    kept.save("learn", {"a": value})
    assert kept.load("learn")["a"].dtype == torch.bfloat16
    np.testing.assert_array_equal(kept.load("learn")["a"].float(), value.float())
