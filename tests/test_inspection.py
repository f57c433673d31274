"""What every run logs: terms of the loss, changes of weights, scores, Fisher information, seconds and memory."""

import pytest
import torch

from conftest import task
from cpbench.benchmark.errors import FailedRun
from cpbench.benchmark.protocol import Tick, unwatched
from cpbench.benchmark.run.phases import Phases
from cpbench.methods.registry import choose

CAT, CAR = task(1, "cat", "mallow"), task(2, "car", "rumble")


def taught(name, backbone, settings=()):
    method = choose(name, dict(settings))[0].make(backbone, 7)
    method.learn(CAT, unwatched)
    return method, method.learn(CAR, unwatched)


def test_each_term_of_the_loss_is_logged_by_phase_and_name(pristine):
    few = {"dsc.iterations": "2", "ewc.passes": "1"}
    _, figures = taught("dsc-ewc", pristine.copy(), few)
    terms = {name for name in figures if name.startswith("loss.")}
    learn = {"loss.learn.denoise", "loss.learn.ewc"}
    assert terms == learn | {"loss.dsc.scores", "loss.dsc.noise", "loss.dsc.ewc"}


def test_the_change_of_each_layer_is_logged_and_their_mean_is_the_whole(pristine):
    method, figures = taught("lora", pristine.copy())
    delta = method.adapter.delta()
    for name, w in delta.items():
        assert figures[f"change.{name}"] == pytest.approx(w.abs().mean().item(), rel=1e-5)
    whole = torch.cat([w.flatten() for w in delta.values()]).abs().mean().item()
    assert figures["change"] == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize("name", ["lora", "ti"])
def test_inspection_tells_scores_and_where_there_are_weights_the_fisher_information(name, pristine):
    method, _ = taught(name, pristine.copy())
    figures = method.inspect(CAR, unwatched)
    assert 0 <= figures["dc.accuracy"] <= 1 and 0 < figures["dc.score"] < 1
    assert ("fisher.trace" in figures) == (name == "lora")
    for kind in ("fisher", "fisher_dc") if name == "lora" else ():
        top = [v for k, v in figures.items() if k.startswith(f"{kind}.") and k != f"{kind}.trace"]
        assert top == sorted(top, reverse=True)
        assert sum(top) <= figures[f"{kind}.trace"] * (1 + 1e-5), "the trace is the sum of all eigenvalues"


def test_a_loss_that_is_not_a_number_stops_the_task_with_a_sentence(pristine):
    method, _ = taught("lora", pristine.copy())
    next(iter(method.adapter.params.values())).data.fill_(float("nan"))
    with pytest.raises(FailedRun, match="phase 'learn' is nan at update 1"):
        method.learn(task(3, "dog", "rex"), unwatched)


def test_the_time_between_two_ticks_belongs_to_the_phase_of_the_second(monkeypatch):
    clock = iter([0.0, 1.0, 3.0, 7.0, 7.5])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    told = []
    phases = Phases(torch.device("cpu"), told.append)
    for name in ("learn", "learn", "dsc"):
        phases(Tick(name, 1, 1))
    phases.close("rest")
    assert phases.seconds == {"learn": 3.0, "dsc": 4.0, "rest": 0.5}
    assert len(told) == 3
    figures = phases.figures()
    assert figures["seconds.dsc"] == 4.0 and figures["peak_bytes.learn"] > 0
