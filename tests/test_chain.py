"""Keys and plans: what runs share, and which inputs change which keys."""

from dataclasses import replace

import pytest

from conftest import CODE
from cpbench.benchmark.plan.planner import Planner
from cpbench.benchmark.plan.units import Measure, Train, gather
from cpbench.benchmark.scoring.profiles import load_profile
from cpbench.methods.registry import choose


def planner(suite, **changes):
    fields = {
        "backbone": "tiny",
        "weights": "w",
        "device": "cpu",
        "dtype": "float32",
        "extractors": {"e": "1"},
        "code": CODE,
    }
    return Planner(suite, **({"profile": load_profile("toybox")} | fields | changes))


def trains(plan):
    return [t.key for t in plan.trains]


@pytest.fixture
def lora():
    return choose("lora", {})[0]


def test_orders_that_begin_alike_share_the_training_of_their_prefix(lora):
    from cpbench.benchmark.suite.spec import load_suite

    make = planner(load_suite("toybox-6"))
    a, b = make.run(lora, (0, 1, 2, 3, 4, 5), 0), make.run(lora, (0, 1, 3, 2, 4, 5), 0)
    assert trains(a)[:2] == trains(b)[:2]
    assert set(trains(a)[2:]).isdisjoint(trains(b)[2:])


def test_every_input_of_training_changes_the_keys_and_nothing_else_does(suite, lora):
    base = trains(planner(suite).run(lora, (0, 1), 0))
    training = suite.training.model_copy(update={"steps": 4})
    changed = [
        trains(planner(suite.model_copy(update={"training": training})).run(lora, (0, 1), 0)),
        trains(planner(suite, weights="other").run(lora, (0, 1), 0)),
        trains(planner(suite, dtype="float16").run(lora, (0, 1), 0)),
        trains(planner(suite).run(choose("lora", {"lora.rank": "4"})[0], (0, 1), 0)),
        trains(planner(suite).run(lora, (0, 1), 1)),
    ]
    assert len({tuple(keys) for keys in [base, *changed]}) == 6
    evaluation = suite.evaluation.model_copy(update={"references": 5})
    assert trains(planner(suite.model_copy(update={"evaluation": evaluation})).run(lora, (0, 1), 0)) == base


def test_a_new_extractor_scores_again_and_neither_draws_nor_trains(suite, lora):
    a, b = (set(gather([planner(suite, extractors={"e": v}).run(lora, (0, 1), 0)])) for v in "12")
    assert {k for k in gather([planner(suite).run(lora, (0, 1), 0)]) if k in a & b}
    units = gather([planner(suite, extractors={"e": "1"}).run(lora, (0, 1), 0)])
    assert all(isinstance(units[k], Measure) for k in a - b)
    assert any(isinstance(units[k], Train) for k in a & b)


def test_needs_come_before_what_needs_them(suite, lora):
    seen = set()
    for key, unit in gather([planner(suite).run(lora, order, 0) for order in ((0, 1), (1, 0))]).items():
        assert seen.issuperset(unit.needs)
        seen.add(key)


def cells(plan, *, measured=True):
    """The places (i, j) of the matrix whose pictures are drawn, measured or only glimpsed."""
    single = [x for x in plan.cells if len(x.subjects) == 1]
    return {(x.i, x.j) for x in single if (x.measure is not None) is measured}


def draws(plan, i):
    return {x.draw.key for x in plan.cells if x.i == i}


def test_the_base_model_trains_nothing_and_its_pictures_are_the_floor_of_every_method(suite, lora):
    base, other = planner(suite).run(choose("base", {})[0], (0, 1), 0), planner(suite).run(lora, (0, 1), 0)
    assert base.trains == ()
    assert draws(base, 1) | draws(base, 2) <= draws(base, 0) == draws(other, 0)


def test_the_final_protocol_measures_the_diagonal_and_the_ends_and_glimpses_the_rest_below():
    from cpbench.benchmark.suite.spec import load_suite

    plan = planner(load_suite("toybox-6")).run(choose("lora", {})[0], tuple(range(6)), 0)
    last = {(6, j) for j in range(1, 7)}
    assert cells(plan) == {(0, j) for j in range(1, 7)} | {(j, j) for j in range(1, 7)} | last
    assert cells(plan, measured=False) == {(i, j) for i in (2, 4) for j in range(1, i)}
    glimpses = {x.i: x.draw for x in plan.cells if x.measure is None and x.j}
    assert [(g.pictures, g.per_prompt, g.each) for g in glimpses.values()] == [(2, 1, True), (6, 1, True)]
    film = replace(planner(load_suite("toybox-6")), film=True).run(choose("lora", {})[0], tuple(range(6)), 0)
    assert cells(film, measured=False) == {(i, j) for i in range(1, 6) for j in range(1, i)}
    assert len({x.draw.key for x in film.cells if x.draw.each}) == 4


def test_the_full_protocol_measures_every_cell(suite, lora):
    assert cells(planner(suite, protocol="full").run(lora, (0, 1), 0)) == {(i, j) for i in range(3) for j in (1, 2)}


def test_drift_is_measured_against_pictures_right_after_learning_and_the_prior_against_the_base_model(suite, lora):
    plan = planner(suite).run(lora, (0, 1), 0)
    at = {(x.i, x.j, len(x.draw.subjects)): x for x in plan.cells if x.measure}
    assert at[2, 1, 1].measure.before == at[1, 1, 1].draw.key
    assert at[2, 2, 1].measure.before is at[0, 1, 1].measure.before is None
    (reference,) = [x for x in plan.cells if not x.draw.subjects and x.measure is None]
    assert reference.draw.state is None and reference.i == 0
    assert at[2, 0, 0].measure.before == reference.draw.key and at[2, 0, 0].draw.seed == reference.draw.seed


def test_pairs_are_neighbours_in_the_suites_own_order_whatever_the_order_of_tasks(lora):
    from cpbench.benchmark.suite.spec import load_suite

    make = planner(load_suite("toybox-6"))
    plans = [make.run(lora, order, 0) for order in ((0, 1, 2, 3, 4, 5), (5, 3, 1, 0, 2, 4))]
    names = [sorted({c.draw.subjects for c in p.cells if len(c.draw.subjects) == 2}, key=str) for p in plans]
    assert names[0] == names[1] and len(names[0]) == 6
    later = {x.draw.subjects[0].name: x.j for x in plans[1].cells if len(x.draw.subjects) == 2}
    assert later["mallow"] == 4, "mallow is the fourth of this order, and rumble the third"
    (one,) = {x.draw.subjects for x in make.run(lora, (0, 1), 0).cells if len(x.draw.subjects) == 2}
    assert [c.name for c in one] == ["mallow", "rumble"]


def test_what_is_classified_after_a_task_are_the_concepts_learned_so_far(suite, lora):
    plan = planner(suite).run(lora, (1, 0), 0)
    assert [[c.name for c in x.concepts] for x in plan.classified.values()] == [
        ["mallow", "rumble"],  # the base model: in the suite's order, whatever that of the run
        ["rumble"],
        ["rumble", "mallow"],
    ]
    assert [x.state for x in plan.classified.values()] == [None, *(t.key for t in plan.trains)]


def test_for_tuning_only_the_end_is_drawn_and_nothing_beside(suite, lora):
    plan = planner(suite, protocol="end").run(lora, (0, 1), 0)
    assert {(x.i, x.j) for x in plan.cells} == {(2, 1), (2, 2)} and not plan.classified


def test_methods_and_settings_share_their_random_streams_and_orders_and_seeds_do_not(suite, lora):
    def seeds(method, order, seed):
        return [t.seed for t in planner(suite).run(method, order, seed).trains]

    other, set_otherwise = choose("clora", {})[0], choose("lora", {"lora.rank": "4"})[0]
    first = seeds(lora, (0, 1), 0)
    assert seeds(other, (0, 1), 0) == seeds(set_otherwise, (0, 1), 0) == first
    assert len({*first, *seeds(lora, (1, 0), 0), *seeds(lora, (0, 1), 1)}) == 6
    assert seeds(lora, (0,), 0) == first[:1]


def test_the_ceiling_is_scored_again_for_another_autoencoder_where_real_pictures_pass_through_it(suite, lora):
    for name, autoencoded in (("toybox", True), ("custom-diffusion", False)):
        profile = load_profile(name)
        a, b = (planner(suite, weights=w, profile=profile).run(lora, (0, 1), 0).ceilings for w in "ab")
        assert ([m.key for m in a] == [m.key for m in b]) is not autoencoded


def test_another_profile_scores_again_and_neither_draws_nor_trains(suite, lora):
    a, b = (planner(suite, profile=load_profile(p)).run(lora, (0, 1), 0) for p in ("toybox", "dreambooth"))
    assert {x.draw.key for x in a.cells} == {x.draw.key for x in b.cells} and trains(a) == trains(b)
    assert {x.measure.key for x in a.cells if x.measure}.isdisjoint(x.measure.key for x in b.cells if x.measure)
