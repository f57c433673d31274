"""What the harness adds to the network's own passes: operations are counted, seconds are only printed."""

import statistics
import time

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from conftest import task
from cpbench.benchmark.models.loading import load_backbone
from cpbench.benchmark.protocol import unwatched
from cpbench.benchmark.suite.spec import load_suite
from cpbench.methods.registry import choose


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def flops(work):
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


@pytest.mark.slow
def test_a_step_of_dsc_makes_its_forward_and_backward_passes_and_no_others(show, monkeypatch):
    suite, n, steps = load_suite("toybox-6"), 4, 5
    backbone = load_backbone("toybox", suite.sampling)
    learner = choose("dsc", {"dsc.iterations": str(steps), "dsc.batch": str(n)})[0].make(backbone.copy(), 0)
    learner.learn(task(1, "cat", "mallow"), unwatched)
    later = task(2, "car", "rumble")
    learner.learn(later, unwatched)
    (dsc,) = learner.consolidations
    teachers = [learner.adapter.state(), dsc.pool["mallow"]]
    params = list(learner.adapter.params.values())
    z, t, each = torch.randn(3 * n, 16, 8, 8), torch.full((3 * n,), 500), torch.arange(3).repeat(n)

    def bare():
        optimiser = torch.optim.AdamW(params, lr=1e-3)
        for _ in range(steps):
            with torch.no_grad():
                text = learner.backbone.embed(["photo of a cat", "photo of a <mallow> cat", "photo of a <rumble> car"])
                for teacher in teachers:
                    learner.backbone.predict(z, t, text[each], teacher)
            loss = learner.backbone.predict(z, t, text[each]).square().mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()

    def whole():
        dsc.distil(learner, later, unwatched)

    bare(), whole()
    with_balance = flops(whole) / flops(bare)
    monkeypatch.setattr("cpbench.methods.loop.balance", lambda *_: {})
    pairs = [(seconds(whole), seconds(bare)) for _ in range(9)]
    ratio, counted = statistics.median(a / b for a, b in pairs), flops(whole) / flops(bare)
    show(f"DSC step / its bare passes: {counted:.4f} in FLOPs, {ratio:.3f} in seconds ({len(pairs)} interleaved pairs)")
    assert counted == pytest.approx(1, abs=0.01)
    one = (with_balance - counted) * steps / 2  # of the first update and the last
    show(f"the balance of one update takes {one:.2f} of an update in FLOPs")
    assert 0 < one < 0.5, "a backward pass per term, at every 20th update and the last"
