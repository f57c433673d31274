"""EWC by its equation: hand-computed cases, the Fisher against explicit loops and torch.func, its limits."""

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, vmap

from conftest import task
from cpbench.benchmark.errors import FailedRun
from cpbench.benchmark.protocol import unwatched
from cpbench.methods.configure import inherited
from cpbench.methods.consolidations.ewc import ewc_penalty
from cpbench.methods.fisher import diagonal, top_eigenvalues
from cpbench.methods.registry import choose
from cpbench.methods.scores import candidates, contrast
from learners import DOG, drawn, learner

CAT, CAR = task(1, "cat", "mallow"), task(2, "car", "rumble")
F64 = torch.float64


def make(name, backbone, **settings):
    (chosen,) = choose(name, {"ewc.passes": "2"} | settings)
    return chosen.make(backbone, 7)


def test_the_penalty_is_computed_by_hand():
    fisher = {"a": torch.tensor([1.0, 2.0], dtype=F64), "b": torch.tensor([[0.5]], dtype=F64)}
    kept = {"a": torch.tensor([1.0, 1.0], dtype=F64), "b": torch.tensor([[2.0]], dtype=F64)}
    now = {"a": torch.tensor([3.0, 0.0], dtype=F64), "b": torch.tensor([[2.5]], dtype=F64)}
    assert ewc_penalty(fisher, now, kept, 10.0).item() == pytest.approx(5 * (4 + 2 + 0.125), abs=1e-12)
    assert ewc_penalty(fisher, now, kept, 0.0).item() == 0
    assert ewc_penalty(fisher, kept, kept, 10.0).item() == 0


def test_the_fisher_is_that_of_an_explicit_loop_and_of_torch_func():
    torch.manual_seed(0)
    net, x, y = nn.Linear(3, 2).double(), torch.randn(7, 3, dtype=F64), torch.randn(7, 2, dtype=F64)
    params = dict(net.named_parameters())

    def loss(p, one, target):
        return (functional_call(net, p, one[None])[0] - target).square().mean()

    each = vmap(grad(loss), in_dims=(None, 0, 0))(params, x, y)
    expected = torch.cat([(g.square().mean(0)).flatten() for g in each.values()])
    rows = []
    for one, target in zip(x, y, strict=True):
        net.zero_grad()
        loss(params, one, target).backward()
        rows.append(torch.cat([p.grad.flatten() for p in net.parameters()]))
    torch.testing.assert_close(diagonal(torch.stack(rows)), expected, atol=1e-12, rtol=1e-10)
    assert not torch.allclose(torch.stack(rows).mean(0).square(), expected), "not the square of the mean"


def test_the_eigenvalues_are_those_of_the_whole_fisher_matrix():
    g = torch.randn(5, 9, dtype=F64, generator=torch.Generator().manual_seed(1))
    expected = torch.linalg.eigvalsh(g.T @ g / 5).flip(0)[:4]
    torch.testing.assert_close(top_eigenvalues(g @ g.T, 4), expected, atol=1e-10, rtol=1e-10)
    assert len(top_eigenvalues(g @ g.T, 99)) == 5


def test_the_contrast_of_scores_is_computed_by_hand():
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.2]], dtype=F64))
    own, others = -torch.log(torch.tensor(0.5)), -(torch.log(torch.tensor(0.3)) + torch.log(torch.tensor(0.2))) / 2
    assert contrast(logits).item() == pytest.approx((own - others).item(), abs=1e-7)
    assert contrast(logits, plain=True).item() == pytest.approx(own.item(), abs=1e-7)


def test_the_contrast_of_a_softmax_of_errors_is_the_difference_of_errors_over_the_temperature():
    e, tau = torch.tensor([[1.0, 2.0, 4.0]], dtype=F64), 0.5
    assert contrast(-e / tau).item() == pytest.approx((1.0 - 3.0) / tau, abs=1e-12)


def test_a_single_candidate_contrasts_nothing():
    assert contrast(torch.tensor([[3.0]], dtype=F64)).item() == 0


@pytest.mark.parametrize("name", ["ewc", "ewc-dc", "vera-ewc"])
def test_the_fisher_of_a_task_has_mean_one_and_covers_every_adapter_weight(name, pristine):
    method = make(name, pristine.copy())
    figures = method.learn(CAT, unwatched)
    (ewc,) = method.consolidations
    assert set(ewc.fisher) == set(method.adapter.params)
    entries = torch.cat([f.flatten() for f in ewc.fisher.values()])
    assert entries.mean().item() == pytest.approx(1, rel=1e-4) and (entries >= 0).all()
    assert figures["ewc.fisher_mean"] > 0


def test_fisher_information_of_earlier_tasks_fades_by_the_decay(pristine):
    means = {}
    for decay in ("0.25", "0"):
        method = make("ewc", pristine.copy(), **{"ewc.decay": decay})
        for t in (CAT, CAR):
            method.learn(t, unwatched)
        means[decay] = torch.cat([f.flatten() for f in method.consolidations[0].fisher.values()]).mean().item()
    assert means == {"0.25": pytest.approx(1.25, rel=1e-4), "0": pytest.approx(1, rel=1e-4)}


def test_without_strength_the_second_task_is_learned_as_without_ewc(pristine):
    losses, rates = [], {key: value for key, (row, value) in inherited("ewc").items() if row == "lora"}
    for name, settings in (("ewc", {"ewc.strength": "0"}), ("lora", rates)):
        method = choose(name, settings)[0].make(pristine.copy(), 7)
        method.learn(CAT, unwatched)
        losses.append(method.learn(CAR, unwatched)["loss.learn.denoise"])
    assert losses[0] == pytest.approx(losses[1], abs=1e-12)


def test_a_great_strength_holds_the_adapter_where_it_was(pristine):
    moved = {}
    for strength in ("0", "1e6"):
        method = make("ewc", pristine.copy(), **{"ewc.strength": strength})
        method.learn(CAT, unwatched)
        before = {k: p.detach().clone() for k, p in method.adapter.params.items()}
        method.learn(CAR, unwatched)
        fisher = method.consolidations[0].fisher
        moved[strength] = sum(
            (fisher[k] * (p - before[k]).square()).sum().item() for k, p in method.adapter.params.items()
        )
    assert moved["1e6"] < moved["0"]


def test_ewc_dc_with_no_score_weight_is_ewc(pristine):
    fishers = []
    for name, settings in (("ewc-dc", {"ewc.score_weight": "0"}), ("ewc", {})):
        method = make(name, pristine.copy(), **settings)
        method.learn(CAT, unwatched)
        fishers.append(method.consolidations[0].fisher)
    assert all(torch.equal(fishers[0][k], fishers[1][k]) for k in fishers[1])


@pytest.mark.parametrize(("k", "expected"), [(2, 2), (3, 3), (9, 4)])
def test_candidates_are_the_concept_the_noun_and_as_many_earlier_ones_as_fit(pristine, k, expected):
    method = make("ewc-dc", pristine.copy(), **{"ewc.candidates": str(k)})
    subjects = [task(n, "cat", name).subject for n, name in enumerate(("a", "b", "c"), 1)]
    method.known = {s.name: s for s in subjects}
    found = candidates(method, subjects[2], k, torch.Generator().manual_seed(0))
    assert len(found) == expected and found[0].name == "c" and found[1].name == ""
    assert len({s.name for s in found}) == len(found)


def test_a_fisher_that_is_not_a_number_is_refused(pristine):
    method = make("ewc", pristine.copy())
    with torch.no_grad():
        next(iter(method.adapter.params.values())).fill_(float("nan"))
    with pytest.raises(FailedRun, match="Fisher information"):
        method.consolidations[0].end(method, CAT, unwatched)


def test_the_mean_form_divides_the_penalty_by_the_number_of_tasks_weighted_by_the_decay(pristine):
    found = {}
    for average in (False, True):
        settings = {"ewc__passes": 1, "ewc__decay": 0.5, "ewc__average": average, "ewc__strength": 1.0}
        made = learner("ewc", pristine, CAT, CAR, learner__rate=1e-3, **settings)
        (part,) = made.consolidations
        part.kept = {name: p + 0.1 for name, p in part.kept.items()}
        total = sum(f.sum() for f in part.fisher.values())
        found[average] = part.penalty(made, drawn(made, DOG)).item() / total.item()
    assert found[False] == pytest.approx(0.5 * 0.1**2, rel=1e-4)
    assert found[True] == pytest.approx(0.5 * 0.1**2 / (1 + 0.5), rel=1e-4)
