"""Where two methods must coincide to the last bit: no past, no weight, a single concept."""

import numpy as np
import pytest
import torch

from cpbench.benchmark.protocol import Prompt, unwatched
from cpbench.methods.configure import options_of
from cpbench.methods.consolidations.clora import Clora
from cpbench.methods.consolidations.dsc import Dsc
from learners import CAR, CAT, drawn, learner, present, spied

RATES = {"learner__rate": 0.02, "learner__token_rate": 0.002}


def same_bits(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def drawings(made):
    return made.generate([Prompt("photo of a {}", (t.subject,)) for t in (CAT, CAR)], [1, 2])


def test_ziplora_of_one_concept_is_its_own_adapter_and_learns_no_coefficients(pristine):
    alone = learner("independent", pristine, CAT, **RATES)
    made = learner("ziplora", pristine, **RATES)
    figures = made.learn(CAT, unwatched)
    assert not [name for name in figures if name.startswith("loss.zip")]
    assert same_bits(made.adapter.folded(), {name: w.detach() for name, w in alone.adapter.delta().items()})


@pytest.mark.parametrize(("name", "twin"), [("replay", "lora"), ("joint", "independent")])
def test_with_one_task_there_is_nothing_to_replay(name, twin, pristine):
    one, other = (learner(n, pristine, CAT, **RATES) for n in (name, twin))
    assert same_bits(present(one.adapter), present(other.adapter))
    assert np.array_equal(drawings(one), drawings(other))
    one.learn(CAR, unwatched), other.learn(CAR, unwatched)
    assert not same_bits(present(one.adapter), present(other.adapter)), "with two there is"


def test_olora_without_a_past_learns_as_lora(pristine):
    plain = learner("lora", pristine, CAT, **RATES)
    made = learner("olora", pristine, CAT, olora__strength=1e6, **RATES)
    assert same_bits(made.adapter.folded(), {name: w.detach() for name, w in plain.adapter.delta().items()})


def test_clora_with_no_strength_learns_as_with_no_penalty_at_all(pristine, monkeypatch):
    def learned(strength):
        made = learner("clora", pristine, CAT, CAR, clora__strength=strength, learner__rate=0.05)
        return made.adapter.folded() | {token: row for token, (row,) in made.backbone.tokens.items()}

    none, much = learned(0), learned(1e6)
    monkeypatch.setattr(Clora, "penalty", lambda *_: None)
    assert same_bits(none, learned(0))
    assert not same_bits(none, much)


def test_ewc_dc_without_scores_learns_two_tasks_as_ewc(pristine):
    def learned(name, weight):
        rest = {"ewc__strength": 0.1, "ewc__passes": 2, "ewc__score_weight": weight}
        made = learner(name, pristine, CAT, CAR, **RATES, **rest)
        return present(made.adapter) | made.consolidations[0].fisher

    assert same_bits(learned("ewc-dc", 0), plain := learned("ewc", 0))
    assert not same_bits(learned("ewc-dc", 1), plain)


def test_lwf_is_dsc_with_no_weight_on_scores_whatever_tuning_chose(pristine):
    assert options_of("lwf")["dsc"].score_weight == 0
    learned = {}
    same = {"dsc__noise_weight": 1, "dsc__rate": 0.01, "dsc__iterations": 3, **RATES}
    for name, weight in (("lwf", {}), ("dsc", {"dsc__score_weight": 0}), ("with scores", {"dsc__score_weight": 5})):
        made = learner("lwf" if name == "lwf" else "dsc", pristine, CAT, CAR, **same, **weight)
        learned[name] = present(made.adapter)
    assert same_bits(learned["lwf"], learned["dsc"]) and not same_bits(learned["lwf"], learned["with scores"])


def test_lwf_distils_by_noise_alone(pristine, monkeypatch):
    made = learner("lwf", pristine, CAT)
    step = drawn(made, CAR)
    (dsc,) = made.consolidations
    end = Dsc.end
    monkeypatch.setattr(Dsc, "end", lambda *_: {})
    made.learn(CAR, unwatched)
    found = spied(made, monkeypatch, step)
    end(dsc, made, CAR, unwatched)
    assert set(found[0]) == {"noise"} and found[0]["noise"].item() > 0


def test_dsc_after_one_task_is_lora(pristine):
    assert same_bits(*(present(learner(name, pristine, CAT, **RATES).adapter) for name in ("dsc", "lora")))
