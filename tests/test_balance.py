"""How strongly the scores of DSC pull beside its noise term, over temperatures and models (docs/tuning.md)."""

from dataclasses import replace

import pytest

from cpbench.benchmark.models.loading import load_backbone
from cpbench.benchmark.protocol import unwatched
from cpbench.benchmark.suite.spec import Sampling
from cpbench.methods.balance import balance
from learners import CAR, CAT, DOG, drawn, learner

TEMPERATURES = (0.05, 0.1, 0.2, 0.5, 1.0)


def ratios(backbone, rate, steps, batch=8):
    """‖g_scores‖ / ‖g_noise‖ at weights of 1, by units and temperature, at one point of the phase after three tasks."""
    cat, car, dog = (replace(one, steps=steps, batch=batch) for one in (CAT, CAR, DOG))
    made = learner("dsc", backbone, cat, car, dsc__iterations=10, dsc__score_weight=0, learner__rate=rate)
    (part,), phases = made.consolidations, []
    end, part.end = part.end, lambda *_: {}
    made.learn(dog, unwatched)  # the third adapter, not yet distilled
    part.end, made.optimise = end, lambda task, phase, watch: phases.append(phase) or {}
    found = {}
    for units in ("loss", "raw"):
        for temperature in TEMPERATURES:
            part.options = replace(part.options, score_weight=1.0, units=units, temperature=temperature)
            part.distil(made, dog, unwatched)
            params = list(made.adapter.params.values())
            each = [balance(phases[-1].objective(drawn(made, dog, 4, seed)), params) for seed in range(4)]
            found[units, temperature] = sum((b["norm.scores"] / b["norm.noise"]).item() for b in each) / len(each)
    return found


def spread(values):
    return max(values) / min(values)


def over_temperatures(found, units):
    return spread([found[units, temperature] for temperature in TEMPERATURES])


def test_units_of_the_loss_take_the_temperature_out_of_the_balance_where_scores_are_soft(pristine):
    tiny = ratios(pristine, 0.05, 20, batch=2)
    assert over_temperatures(tiny, "loss") < 1.5 < 300 < over_temperatures(tiny, "raw")
    for temperature in TEMPERATURES:
        share = tiny["raw", temperature] * temperature**2 / tiny["loss", temperature]
        assert share == pytest.approx(tiny["raw", 1.0] / tiny["loss", 1.0], rel=0.2), "both differ by τ² ē alone"


@pytest.mark.slow
def test_the_balance_agrees_within_a_factor_of_ten_over_temperatures_and_between_models(pristine, capsys):
    """On toybox over all temperatures, and between toybox and a model of the same architecture with random weights."""
    sampling = Sampling(sampler="dpm++", steps=2, guidance=2.0, batch=8, size=64)
    tiny, toybox = ratios(pristine, 0.02, 100), ratios(load_backbone("toybox", sampling), 3e-3, 60)
    with capsys.disabled():
        print("\n   τ     toybox: loss, raw   random weights: loss, raw")
        for t in TEMPERATURES:
            each = [found[units, t] for found in (toybox, tiny) for units in ("loss", "raw")]
            print(f"{t:5.2f}", *(f"{value:10.3g}" for value in each))
    assert over_temperatures(toybox, "loss") < 10 < 50 < over_temperatures(toybox, "raw")
    for temperature in TEMPERATURES:
        assert spread([toybox["loss", temperature], tiny["loss", temperature]]) < 10
