"""Merging by its equations: the closed form against its constraint and its neighbours, the rules by hand."""

import numpy as np
import pytest
import torch

from conftest import task
from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.protocol import Prompt, unwatched
from cpbench.methods.consolidations.merge import average, constrained, greatest
from cpbench.methods.registry import choose
from learners import DOG, learner

CAT, CAR = task(1, "cat", "mallow"), task(2, "car", "rumble")
F64 = torch.float64


def drawn(*shape, seed=0):
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


def test_the_rules_are_computed_by_hand():
    a, b = {"k": torch.tensor([[1.0, -5.0]])}, {"k": torch.tensor([[3.0, 2.0]])}
    assert average([a, b])["k"].tolist() == [[2.0, -1.5]]
    assert greatest([a, b])["k"].tolist() == [[3.0, -5.0]]
    assert average([a])["k"].tolist() == greatest([a])["k"].tolist() == [[1.0, -5.0]]


def test_the_closed_form_meets_its_constraint_and_no_feasible_neighbour_is_better():
    w0, regular, target, values = drawn(5, 8), drawn(8, 40, seed=1), drawn(8, 3, seed=2), drawn(5, 3, seed=3)
    w = constrained(w0, regular, target, values)
    torch.testing.assert_close(w @ target, values, atol=1e-5, rtol=0)
    cost = (w - w0) @ regular
    outside = torch.eye(8, dtype=F64) - target @ torch.linalg.pinv(target)
    for seed in range(20):
        neighbour = w + 1e-2 * drawn(5, 8, seed=10 + seed) @ outside
        torch.testing.assert_close(neighbour @ target, values, atol=1e-5, rtol=0)
        assert ((neighbour - w0) @ regular).square().sum() >= cost.square().sum() - 1e-12


def test_the_closed_form_of_one_dimension_is_computed_by_hand():
    w0, regular = torch.tensor([[2.0]], dtype=F64), torch.tensor([[1.0, 3.0]], dtype=F64)
    w = constrained(w0, regular, torch.tensor([[4.0]], dtype=F64), torch.tensor([[12.0]], dtype=F64))
    assert w.item() == pytest.approx(3.0, abs=1e-8)


def test_constraints_that_are_met_already_change_nothing():
    w0, target = drawn(5, 8), drawn(8, 3, seed=2)
    torch.testing.assert_close(constrained(w0, drawn(8, 40, seed=1), target, w0 @ target), w0, atol=1e-8, rtol=0)


@pytest.mark.parametrize("name", ["cd-merge", "lora-merge"])
def test_merging_one_concept_draws_what_was_learned_and_the_next_starts_from_the_base_model(name, pristine):
    method = choose(name, {"merge.captions": "20"})[0].make(pristine.copy(), 7)
    alone = choose("cd" if name == "cd-merge" else "independent", {})[0].make(pristine.copy(), 7)
    method.learn(CAT, unwatched), alone.learn(CAT, unwatched)
    change = {k: w.detach() for k, w in alone.adapter.delta().items()}
    base = method.adapter.base()
    placed = {k: method.adapter.folded()[k] for k in base}
    if name == "lora-merge":
        assert all(torch.allclose(placed[k], change[k], atol=1e-6) for k in change)
    else:
        states = method.consolidations[0].word_states(method, CAT, CAT.subject)
        for k, w in change.items():
            torch.testing.assert_close(placed[k].double() @ states, w.double() @ states, atol=1e-5, rtol=1e-3)
    method.consolidations[0].begin(method, CAR)
    assert all((w == 0).all() for w in method.adapter.delta().values())
    first = pristine.sample(["photo of a dog"], [3])
    assert np.array_equal(method.generate([Prompt("photo of a {}", (task(3, "dog", "x").subject,))], [3]), first)


def rows_of(method):
    return {name: rows.detach().clone() for name, rows in method.adapter.reads().items()}


def rows_that_were_kept(method, concept):
    state = method.consolidations[0].pool[concept]
    return {layer: state[f"unet.{layer}.lora_A.default.weight"] for layer in method.adapter.layers}


@pytest.mark.parametrize(("rule", "apart"), [("orthogonal", True), ("average", False)])
def test_with_the_rule_orthogonal_the_rows_of_a_concept_start_orthogonal_to_those_of_all_before(rule, apart, pristine):
    settings = {"merge__rule": rule, "lora__rank": 4}
    method = learner("lora-merge", pristine, CAT, CAR, **settings)
    method.consolidations[0].begin(method, DOG)
    plain = learner("lora-merge", pristine, lora__rank=4)
    plain.adapter.reset(DOG.seed)
    for concept in ("mallow", "rumble"):
        for layer, rows in rows_of(method).items():
            cosines = torch.nn.functional.normalize(rows, dim=1) @ rows_that_were_kept(method, concept)[layer].T
            assert (cosines.abs().max() < 1e-5) == apart
    for layer, rows in rows_of(plain).items():
        torch.testing.assert_close(rows_of(method)[layer].norm(dim=1), rows.norm(dim=1))
    assert all((w == 0).all() for w in method.adapter.delta().values())


def test_with_the_rule_orthogonal_what_is_deployed_is_the_average(pristine):
    method = learner("lora-merge", pristine, CAT, CAR, merge__rule="orthogonal", lora__rank=4, learner__rate=0.05)
    (part,) = method.consolidations
    placed = method.adapter.folded()
    each = [part.change_of(method, state) for state in part.pool.values()]
    for layer, w in placed.items():
        torch.testing.assert_close(w, (each[0][layer] + each[1][layer]) / 2)


def test_the_first_concept_is_learned_the_same_under_every_rule_of_averages(pristine):
    folded = [learner("lora-merge", pristine, CAT, merge__rule=r).adapter.folded() for r in ("average", "orthogonal")]
    assert all(torch.equal(folded[0][k], folded[1][k]) for k in folded[0])


def test_more_rows_than_there_are_dimensions_and_unknown_rules_are_refused_with_a_sentence(pristine):
    method = learner("lora-merge", pristine, CAT, merge__rule="orthogonal", lora__rank=17)
    with pytest.raises(BadInput, match=r"17 rows do not fit beside 17 earlier ones in 32 dimensions; lower lora\.rank"):
        method.learn(CAR, unwatched)
    with pytest.raises(BadInput, match=r"merge\.rule=mean: give average, greatest, constrained or orthogonal"):
        learner("lora-merge", pristine, merge__rule="mean")
    with pytest.raises(
        BadInput, match=r"merge needs an adapter that starts in input directions orthogonal .* KeysValues"
    ):
        learner("cd-merge", pristine, merge__rule="orthogonal")
