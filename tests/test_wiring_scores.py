"""Scores and DSC as the learner computes them, against Algorithm 1 written out: one pass a picture and candidate."""

import pytest
import torch

from cpbench.benchmark.protocol import Subject, unwatched
from cpbench.methods.registry import choose
from cpbench.methods.scores import candidate_errors, logits
from cpbench.methods.training import draw_step, sources_of
from learners import CAR, CAT, DOG, doubled, drawn, learner, noise_told, present, scores_one_by_one

PROMPTS = {
    "mallow": "photo of a <mallow> cat",
    "rumble": "photo of a <rumble> car",
    "rex": "photo of a <rex> dog",
    "": "photo of a dog",
}
WEIGHTS = {"dsc__score_weight": 2.0, "dsc__noise_weight": 3.0, "dsc__temperature": 0.3}


@pytest.fixture(scope="module", params=["loss", "raw"])
def dsc(pristine, request):
    """DSC with two adapters in its pool, the third just learned and not yet distilled."""
    rest = {"dsc__iterations": 2, "learner__rate": 0.05, "dsc__rate": 0.05, "dsc__units": request.param}
    made = learner("dsc", pristine, CAT, CAR, **rest, **WEIGHTS)
    (part,) = made.consolidations
    end, part.end = part.end, lambda *_: {}
    made.learn(DOG, unwatched)
    part.end = end
    return doubled(made)


@pytest.fixture
def objectives(dsc, monkeypatch):
    """The objective of a new DSC phase, as often as called; nothing is learned."""

    def begin(task):
        phases = []
        monkeypatch.setattr(dsc, "optimise", lambda task, phase, watch: phases.append(phase) or {})
        dsc.consolidations[0].distil(dsc, task, unwatched)
        return phases[0].objective

    return begin


def test_errors_and_scores_of_two_pictures_are_those_of_one_pass_a_picture_and_candidate(dsc):
    subjects = [DOG.subject, Subject("", "dog"), CAT.subject, CAR.subject]
    step = drawn(dsc, DOG)
    batched = candidate_errors(dsc, DOG, step, [subjects] * len(step.t))
    for k in range(2):
        e, scaled = scores_one_by_one(dsc, step, k, [PROMPTS[s.name] for s in subjects], 0.3)
        torch.testing.assert_close(batched[k], e, atol=1e-8, rtol=1e-8)
        torch.testing.assert_close(logits(batched, 0.3)[k].softmax(0), scaled.softmax(0), atol=1e-8, rtol=1e-8)
    assert (batched[0] - batched[1]).abs().max() > 1e-3, "two pictures that can be told apart"


@torch.no_grad()
def taught_by(made, weights, step, prompts, told):
    """P and ε_T(x_t, told) of a teacher for each picture of a step."""
    own = made.adapter.state()
    made.adapter.restore(weights)
    found = [
        (scores_one_by_one(made, step, k, prompts, 0.3)[1].softmax(0), noise_told(made, step, k, told))
        for k in range(2)
    ]
    made.adapter.restore(own)
    return found


def written_out(made, step, j, first, second):
    """L = w_H Σ_T H(P_T, P_S) + β [‖ε_T1(cⁿ) - ε_S(cⁿ)‖² + ‖ε_T2(c^j) - ε_S(c^j)‖²] for one j, and its gradient.

    In units of the loss, the scores of each picture are multiplied by τ² ē, which has no gradient.
    """
    prompts = [PROMPTS[j], PROMPTS["rex"], PROMPTS[""]]
    pairs = [(told, taught_by(made, w, step, prompts, told)) for w, told in ((first, prompts[1]), (second, prompts[0]))]
    entropy = distance = 0
    for told, targets in pairs:
        for k, (p, eps) in enumerate(targets):
            e, student = scores_one_by_one(made, step, k, prompts, 0.3)
            entropy = entropy - in_units(made, e) * (p * student.log_softmax(0)).sum() / 2
            distance = distance + (eps - noise_told(made, step, k, told)).square().mean() / 2
    loss = 2.0 * entropy + 3.0 * distance
    return loss.detach(), torch.autograd.grad(loss, list(made.adapter.params.values()))


def in_units(made, e):
    """What the scores of a picture with the errors ``e`` are multiplied by."""
    return 0.3**2 * e.detach().mean() if made.consolidations[0].options.units == "loss" else 1.0


def test_the_objective_and_its_gradient_are_the_equation_written_out_for_two_pictures(dsc, objectives):
    pool, first, step = dsc.consolidations[0].pool, dsc.adapter.state(), drawn(dsc, DOG)
    objective, params = objectives(DOG), list(dsc.adapter.params.values())
    with torch.no_grad():
        for p in params:  # the student has left its first teacher
            p.add_(0.01 * torch.randn(p.shape, generator=torch.Generator().manual_seed(3)))
    expected = {j: written_out(dsc, step, j, first, pool[j]) for j in ("mallow", "rumble")}
    for _ in range(4):
        loss = torch.stack(list(objective(step).values())).sum()
        right, gradient = min(expected.values(), key=lambda pair: abs(pair[0] - loss.detach()))
        torch.testing.assert_close(loss.detach(), right, atol=1e-8, rtol=1e-8)
        for found, wanted in zip(torch.autograd.grad(loss, params), gradient, strict=True):
            torch.testing.assert_close(found, wanted, atol=1e-8, rtol=1e-8)
    assert abs(expected["mallow"][0] - expected["rumble"][0]) > 1e-4, "the two can be told apart"
    dsc.adapter.restore(first)


def test_the_second_teacher_is_drawn_from_the_whole_pool_anew_at_each_iteration(dsc, objectives, monkeypatch):
    asked = []
    embed = dsc.backbone.embed
    monkeypatch.setattr(dsc.backbone, "embed", lambda prompts, *a: asked.append(prompts[0]) or embed(prompts, *a))
    objective, step = objectives(DOG), drawn(dsc, DOG)
    for _ in range(20):
        objective(step)
    shares = {name: asked.count(PROMPTS[name]) / len(asked) for name in ("mallow", "rumble")}
    assert sum(shares.values()) == 1 and min(shares.values()) > 0.2


def test_a_student_that_equals_both_teachers_has_the_least_loss_there_is_and_no_gradient(dsc, objectives):
    (part,), own = dsc.consolidations, dsc.adapter.state()
    pool, part.pool = part.pool, {name: own for name in part.pool}
    terms = objectives(DOG)(step := drawn(dsc, DOG))
    part.pool = pool
    assert terms["noise"].item() == 0
    grads = torch.autograd.grad(torch.stack(list(terms.values())).sum(), list(dsc.adapter.params.values()))
    assert max(g.abs().max() for g in grads) < 1e-8
    least = {j: 2 * 2.0 * entropy(dsc, step, [PROMPTS[j], PROMPTS["rex"], PROMPTS[""]]) for j in ("mallow", "rumble")}
    assert min(abs(terms["scores"].item() - right) for right in least.values()) < 1e-8


def entropy(made, step, prompts):
    """-Σ P log P of the scores P, averaged over the two pictures of a step: the least cross-entropy with P."""
    with torch.no_grad():
        found = [scores_one_by_one(made, step, k, prompts, 0.3) for k in range(2)]
    each = [(in_units(made, e), logits.log_softmax(0)) for e, logits in found]
    return sum(float(-factor * (log_p.exp() * log_p).sum()) for factor, log_p in each) / 2


@pytest.mark.parametrize("name", ["dsc", "dsc-ewc-dc", "vera-dsc"])
def test_what_stays_after_distillation_is_the_student_and_the_pool_holds_it(name, pristine):
    few = {"ewc__passes": 1} if "ewc" in name else {}
    made = learner(name, pristine, CAT, dsc__iterations=3, dsc__rate=0.05, **few)
    optimise, seen = made.optimise, {}

    def watched(task, phase, watch):
        figures = optimise(task, phase, watch)
        seen[phase.name] = present(made.adapter)
        return figures

    made.optimise = watched
    made.learn(CAR, unwatched)
    pool = made.consolidations[0].pool
    for key, p in made.adapter.params.items():
        assert torch.equal(p, seen["dsc"][key]) and torch.equal(pool["rumble"][key], p)
    assert any(not torch.equal(seen["learn"][key], p) for key, p in made.adapter.params.items())
    assert any(not torch.equal(pool["mallow"][key], p) for key, p in made.adapter.params.items())


@pytest.mark.parametrize(("generic", "word"), [({}, "car"), ({"generic": "thing"}, "thing")])
def test_the_concept_known_before_is_the_noun_or_what_it_is_called_for_all(generic, word, pristine, monkeypatch):
    settings = {f"{part}__{name}": value for part in ("dsc", "ewc") for name, value in generic.items()}
    few = {"dsc__iterations": 1, "ewc__passes": 1}
    made, asked = learner("dsc-ewc-dc", pristine, CAT, **few, **settings), []
    embed = made.backbone.embed
    monkeypatch.setattr(made.backbone, "embed", lambda prompts, *a: asked.append(list(prompts)) or embed(prompts, *a))
    made.learn(CAR, unwatched)
    own, earlier, known = PROMPTS["rumble"], PROMPTS["mallow"], f"photo of a {word}"
    assert 2 * [earlier, own, known] in asked, "the candidates of DSC, for two teachers"
    assert [own, known, earlier] in asked, "the candidates of EWC-DC"


def test_an_option_that_is_empty_is_not_told_so_that_keys_stay_as_they_were():
    for settings, expected in (({}, False), ({"dsc.generic": "thing"}, True)):
        assert ("generic" in choose("dsc", settings)[0].options["dsc"]) == expected


def candidates_asked(made, tasks, monkeypatch):
    """The prompts of the candidates in each iteration of DSC, as the first and as the second teacher reads them."""
    asked, embed = [], made.backbone.embed
    monkeypatch.setattr(made.backbone, "embed", lambda prompts, *a: asked.append(list(prompts)) or embed(prompts, *a))
    for one in tasks:
        made.learn(one, unwatched)
    halves = [(p[: len(p) // 2], p[len(p) // 2 :]) for p in asked if len(p) >= 4 and len(set(p)) > 1]
    return [(a, b) for a, b in halves if a[1] == b[1] or a[1].startswith("photo of a <rex>")]


def test_further_candidates_are_other_earlier_concepts_and_at_most_k_in_all(pristine, monkeypatch):
    made = learner("dsc", pristine, CAT, CAR, dsc__iterations=8, dsc__candidates=4)
    found = [a for a, _ in candidates_asked(made, [DOG], monkeypatch)]
    for prompts in found:
        assert prompts[1:3] == [PROMPTS["rex"], PROMPTS[""]] and len(prompts) == 4
        assert {prompts[0], prompts[3]} == {PROMPTS["mallow"], PROMPTS["rumble"]}
    assert {p[0] for p in found} == {PROMPTS["mallow"], PROMPTS["rumble"]}


@pytest.mark.parametrize(("reads", "new"), [("current", PROMPTS["rex"]), ("own", "photo of a dog")])
def test_an_earlier_adapter_reads_tokens_or_its_own_words_for_what_it_has_not_learned(
    reads, new, pristine, monkeypatch
):
    made = learner("dsc", pristine, CAT, CAR, dsc__iterations=8, dsc__candidates=4, dsc__reads=reads)
    for first, second in candidates_asked(made, [DOG], monkeypatch):
        assert first[1] == PROMPTS["rex"] and second[1] == new
        if first[0] == PROMPTS["rumble"]:
            assert second == [PROMPTS["rumble"], new, PROMPTS[""], PROMPTS["mallow"]], "the second adapter knew both"
        else:
            other = PROMPTS["rumble"] if reads == "current" else "photo of a car"
            assert second == [PROMPTS["mallow"], new, PROMPTS[""], other], "the first adapter knew one"


@pytest.mark.parametrize(("part", "low", "high"), [("low", 0, 333), ("middle", 333, 666), ("high", 666, 1000)])
def test_the_distillation_draws_timesteps_from_a_third_of_the_schedule(part, low, high, pristine, monkeypatch):
    made = learner("dsc", pristine, CAT, dsc__iterations=20, dsc__timesteps=part)
    optimise, phases = made.optimise, []
    monkeypatch.setattr(
        made, "optimise", lambda task, phase, watch: phases.append(phase) or optimise(task, phase, watch)
    )
    made.learn(CAR, unwatched)
    (phase,) = (phase for phase in phases if phase.name == "dsc")
    draw = torch.Generator().manual_seed(0)
    seen = draw_step(made.backbone, sources_of(made, CAR), 200, draw, phase.timesteps).t.tolist()
    assert low <= min(seen) < low + 60 and high - 60 < max(seen) < high
