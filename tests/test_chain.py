"""Keys and plans: what is shared, and what changes what."""

import pytest

from cpbench.benchmark.chain import Measure, Planner, Train, gather
from cpbench.methods.registry import choose


def planner(suite, **changes):
    fields = {"backbone": "tiny", "weights": "w", "device": "cpu", "dtype": "float32", "extractors": {"e": "1"}}
    return Planner(suite, **(fields | changes))


def trains(plan):
    return [t.key for t in plan.trains]


@pytest.fixture
def lora():
    return choose("lora", {})[0]


def test_orders_that_begin_alike_share_the_training_of_their_prefix(lora):
    from cpbench.benchmark.spec import load_suite

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
    for key, unit in gather([planner(suite).run(lora, order, 0) for order in suite.orders(2)]).items():
        assert seen.issuperset(unit.needs)
        seen.add(key)


def test_the_base_model_trains_nothing_and_its_pictures_are_the_floor_of_every_method(suite, lora):
    base, other = planner(suite).run(choose("base", {})[0], (0, 1), 0), planner(suite).run(lora, (0, 1), 0)
    assert base.trains == ()
    assert {d.key for d in base.draws.values()} == {d.key for c, d in other.draws.items() if c[0] == 0}


def test_the_final_protocol_measures_the_diagonal_and_the_ends_and_glimpses_the_rest_below():
    from cpbench.benchmark.spec import load_suite

    plan = planner(load_suite("toybox-6")).run(choose("lora", {})[0], tuple(range(6)), 0)
    last = {(6, j) for j in range(1, 7)}
    assert set(plan.cells) == {(0, j) for j in range(1, 7)} | {(j, j) for j in range(1, 7)} | last
    glimpses = set(plan.draws) - set(plan.cells)
    assert glimpses == {(i, j) for i in range(1, 6) for j in range(1, i)}
    assert all(plan.draws[c].per_prompt == 1 for c in glimpses)


def test_the_full_protocol_measures_every_cell(suite, lora):
    plan = planner(suite, protocol="full").run(lora, (0, 1), 0)
    assert set(plan.cells) == {(i, j) for i in range(3) for j in (1, 2)}


def test_methods_and_settings_share_their_random_streams_and_orders_and_seeds_do_not(suite, lora):
    def seeds(method, order, seed):
        return [t.seed for t in planner(suite).run(method, order, seed).trains]

    other, set_otherwise = choose("clora", {})[0], choose("lora", {"lora.rank": "4"})[0]
    first = seeds(lora, (0, 1), 0)
    assert seeds(other, (0, 1), 0) == seeds(set_otherwise, (0, 1), 0) == first
    assert len({*first, *seeds(lora, (1, 0), 0), *seeds(lora, (0, 1), 1)}) == 6
    assert seeds(lora, (0,), 0) == first[:1]


def test_the_ceiling_is_scored_again_for_another_autoencoder_where_real_pictures_pass_through_it(suite, lora):
    for autoencoded in (True, False):
        evaluation = suite.evaluation.model_copy(update={"autoencoded": autoencoded})
        made = suite.model_copy(update={"evaluation": evaluation})
        a, b = (planner(made, weights=w).run(lora, (0, 1), 0).ceilings for w in "ab")
        assert ([m.key for m in a] == [m.key for m in b]) is not autoencoded
