"""A training stage resumes bit for bit, and its schedule is what it says."""

import json

import pytest
import torch
from torch import nn

from cpbench.benchmark.pretrain.recipe import snr_weight
from cpbench.benchmark.pretrain.stage import Schedule, Stage


def stage(folder, updates=500):
    folder.mkdir(exist_ok=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Linear(3, 1)

    def loss(generator):
        return net(torch.randn(8, 3, generator=generator)).square().mean()

    return Stage("s", {"net": net}, loss, Schedule(updates, 1e-2), folder, seed=1, ema=0.9)


def test_a_stage_stopped_at_any_point_and_resumed_equals_one_that_was_not(tmp_path):
    whole = stage(tmp_path / "a")
    list(whole.run())
    for report in stage(tmp_path / "b").run():
        if report.step == 300:
            break
    resumed = stage(tmp_path / "b")
    steps = [report.step for report in resumed.run()]
    assert steps[0] == 251, "from the last checkpoint"
    assert all(torch.equal(whole.parameters[k], resumed.parameters[k]) for k in whole.parameters)
    assert all(torch.equal(whole.average[k], resumed.average[k]) for k in whole.average)
    assert (tmp_path / "a" / "s.log.jsonl").read_text() == (tmp_path / "b" / "s.log.jsonl").read_text()


def test_the_log_has_every_fiftieth_loss(tmp_path):
    list(stage(tmp_path).run())
    steps = [json.loads(line)["step"] for line in (tmp_path / "s.log.jsonl").read_text().splitlines()]
    assert steps == list(range(50, 501, 50))


def test_the_rate_rises_stays_and_falls_to_zero():
    schedule = Schedule(updates=1000, peak=2.0, warmup=100, cooldown=0.5)
    assert schedule.rate(0) == pytest.approx(0.02)
    assert schedule.rate(99) == schedule.rate(500) == 2.0
    assert schedule.rate(750) == pytest.approx(1.0)
    assert schedule.rate(999) == pytest.approx(0.004)


def test_min_snr_weights_are_one_at_high_noise_and_cap_over_snr_at_low():
    alphas = torch.tensor([0.99, 0.5, 0.01])
    torch.testing.assert_close(snr_weight(alphas, 5.0), torch.tensor([5 / 99, 1.0, 1.0]))
