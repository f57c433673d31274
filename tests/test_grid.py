"""The grid of a sweep: its orders and lengths, and a survey that counts without planning every run."""

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import CODE
from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.plan.grid import Grid, lengths_of, orders_of
from cpbench.benchmark.plan.planner import Planner
from cpbench.benchmark.plan.survey import survey
from cpbench.benchmark.plan.units import Classify, Draw, Measure, Real, Train, gather, kind_of
from cpbench.benchmark.scoring.profiles import load_profile
from cpbench.benchmark.suite.spec import load_suite
from cpbench.methods.registry import choose


def planner(suite):
    return Planner(suite, load_profile("toybox"), "tiny", "w", "cpu", "float32", {"e": "1"}, code=CODE)


@pytest.fixture(scope="module")
def six():
    return load_suite("toybox-6")


def test_orders_begin_with_the_given_one_and_its_reverse_and_are_distinct(six):
    orders = orders_of(six, "5")
    assert orders[:2] == [(0, 1, 2, 3, 4, 5), (5, 4, 3, 2, 1, 0)]
    assert len(set(orders)) == 5


def test_fewer_orders_are_the_first_of_more_up_to_all(six):
    assert orders_of(six, "3") == orders_of(six, "5")[:3] == orders_of(six, "all")[:3]
    assert len(set(orders_of(six, "all"))) == 720


def test_orders_can_be_listed_by_place_or_name(suite):
    assert orders_of(suite, "2,1/1,2/rumble, mallow") == [(1, 0), (0, 1)]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0", "--orders 0: .*from 1 to 2"),
        ("-2", "--orders -2: .*from 1 to 2"),
        ("3", "--orders 3: .*2 orders.* from 1 to 2"),
        ("1,3", "'3'.* mallow, rumble"),
        ("mallow", "'mallow': name each|name each of mallow, rumble exactly once"),
        ("1,1", "exactly once"),
        ("", "''.* mallow, rumble"),
    ],
)
def test_orders_that_cannot_be_meant_are_refused(suite, text, sentence):
    with pytest.raises(BadInput, match=sentence):
        orders_of(suite, text)


def test_all_orders_of_ten_concepts_are_refused_with_their_number():
    with pytest.raises(BadInput, match="3628800 orders"):
        orders_of(load_suite("toybox-10"), "all")


def test_lengths_are_sorted_and_distinct_and_all_concepts_when_not_given(six):
    assert lengths_of(six, "6,2, 2") == (2, 6)
    assert lengths_of(six, None) == (6,)
    for text in ("0", "7", "two", "2,,4", "-1"):
        with pytest.raises(BadInput, match=rf"--lengths {text}: .*from 1 to 6"):
            lengths_of(six, text)


def test_the_first_order_of_the_first_seed_comes_first_for_all_methods(suite):
    grid = Grid(choose("lora,dsc", {}), [(0, 1), (1, 0)], (1, 2), range(2))
    runs = [plan.run for plan in grid.plans(planner(suite))]
    assert len(runs) == len(grid) == 2 * 4 * 2
    assert [(r.method, len(r.order), r.seed) for r in runs[:4]] == [
        ("lora", 1, 0),
        ("dsc", 1, 0),
        ("lora", 2, 0),
        ("dsc", 2, 0),
    ]


def test_lengths_of_one_order_train_the_longest_only(six):
    (lora,) = choose("lora", {})
    make = planner(six)
    plans = list(Grid([lora], orders_of(six, "1"), (2, 4, 6), [0]).plans(make))
    assert sum(isinstance(u, Train) for u in gather(plans).values()) == 6
    assert [len(p.trains) for p in plans] == [2, 4, 6]


def test_units_trained_are_the_distinct_prefixes(six):
    (lora,) = choose("lora", {})
    orders = orders_of(six, "5")
    found = survey(Grid([lora], orders, (2, 4, 6), [0]), planner(six), set())
    assert found.distinct["Train", "lora"] == len({o[:n] for o in orders for n in range(1, 7)})


def done(units, reached):
    """Keys of units as a store holds them: states that are ``reached``, what was drawn from them, and its scores."""
    states = {k for k, u in units.items() if isinstance(u, Train) and reached(u)}
    there = states | {u.key for u in units.values() if isinstance(u, Draw | Classify) and u.state in {None, *states}}
    there |= {u.key for u in units.values() if isinstance(u, Real)}
    return there | {u.key for u in units.values() if isinstance(u, Measure) and there.issuperset(u.needs)}


STORES = {
    "empty": lambda u: None,
    "floors": lambda u: False,
    "first tasks": lambda u: u.number == 1,
    "one first task": lambda u: u.number == 1 and u.concept.name == "mallow",
    "two tasks of one method": lambda u: u.number <= 2 and u.method.name in ("lora", "vera"),
    "all but the last task": lambda u: u.number < 6,
    "complete": lambda u: True,
}


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("names", ["lora", "base", "dsc,base,vera", "lora,dsc"])
def test_a_survey_counts_what_planning_every_run_counts(six, names, store):
    grid = Grid(choose(names, {}), orders_of(six, "4"), (2, 3, 6), (0, 3, 4))
    plans = list(grid.plans(planner(six)))
    units = gather(plans)
    there = set() if store == "empty" else done(units, STORES[store])
    found = survey(grid, planner(six), there)
    assert found.wanted == Counter(kind_of(u) for plan in plans for u in plan.units())
    assert found.distinct == Counter(map(kind_of, units.values()))
    assert found.found == Counter(kind_of(units[k]) for k in there)
    assert found.left.total() == len(units) - len(there)


@pytest.mark.parametrize("number", range(1, 7))
def test_a_survey_finds_what_was_drawn_from_a_state_that_was_lost(six, number):
    """Only the state itself must be trained again."""
    grid = Grid(choose("lora", {}), orders_of(six, "2"), (2, 6), (0,))
    units = gather(grid.plans(planner(six)))
    lost = next(u.key for u in units.values() if isinstance(u, Train) and u.number == number)
    assert survey(grid, planner(six), units.keys() - {lost}).left == Counter({("Train", "lora"): 1})


LARGE = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
from test_grid import Planner, load_suite, large, planner, survey
six = load_suite("toybox-6")
grid, there = large(six, sys.argv[2])
plain, planned = Planner.run, []
Planner.run = lambda self, *which: planned.append(1) or plain(self, *which)
start = time.process_time()
found = survey(grid, planner(six), there)
seconds = time.process_time() - start
status = open("/proc/self/status").read()  # getrusage would give the peak of the tests themselves, kept over exec
peak = int(status.split("VmHWM:")[1].split()[0]) * 1024
states = sum(n for (kind, _), n in found.found.items() if kind == "Train")
measured = dict(seconds=seconds, peak=peak, planned=len(planned), states=states, runs=len(grid))
measured |= dict(prefixes=len(grid.prefixes), units=found.distinct.total())
print(json.dumps(measured | dict(stored=len(there), found=found.found.total())))
"""


def large(six, store):
    """102 600 runs, and keys of a store: nothing, the first tasks or the first order of all, or 100 000 units."""
    grid, there = Grid(choose("all", {}), orders_of(six, "100"), (2, 4, 6), range(19)), set()
    make = planner(six)
    if store == "first tasks":
        return grid, {make.trains(m, (0,), s)[0].key for m in grid.methods if m.make for s in grid.seeds}
    short = replace(grid, orders=grid.orders[:1]) if store == "the first order" else grid
    for plan in short.plans(make) if store != "nothing" else ():
        there |= {u.key for u in plan.units()}
        if len(there) >= 100_000:
            break
    return grid, there


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from Linux's /proc")
@pytest.mark.parametrize("store", ["nothing", "first tasks", "the first order", "100 000 units"])
def test_a_survey_of_a_hundred_thousand_runs_plans_few_of_them_and_fits_a_gigabyte(store, show):
    """Python and torch take most of the gigabyte. What is planned grows with the stored states, not with the runs."""
    here = str(Path(__file__).parent)
    ended = subprocess.run([sys.executable, "-c", LARGE, here, store], capture_output=True, text=True, check=True)
    measured = json.loads(ended.stdout)
    show(
        f"{measured['planned']} of {measured['runs']} runs planned; {measured['units']} distinct units, "
        f"{measured['found']} of {measured['stored']} stored ones found: "
        f"{measured['seconds']:.1f} s, {measured['peak'] / 1e6:.0f} MB"
    )
    assert measured["runs"] > 100_000 and measured["found"] == measured["stored"]
    assert measured["planned"] <= 3 * (measured["prefixes"] + measured["states"])
    assert measured["peak"] < 2**30


def test_where_nothing_is_stored_the_number_of_seeds_does_not_matter(six, monkeypatch):
    planned, plain = [], Planner.run
    monkeypatch.setattr(Planner, "run", lambda self, *which: planned.append(which) or plain(self, *which))
    found = survey(Grid(choose("lora,base", {}), orders_of(six, "3"), (2, 6), range(10**9)), planner(six), set())
    few = survey(Grid(choose("lora,base", {}), orders_of(six, "3"), (2, 6), range(2)), planner(six), set())
    assert found.distinct["Train", "lora"] == few.distinct["Train", "lora"] // 2 * 10**9
    assert len(planned) < 50


def test_where_first_tasks_are_stored_only_a_few_runs_of_a_group_are_planned(six, monkeypatch):
    grid, make, planned = Grid(choose("lora,dsc", {}), orders_of(six, "20"), (2, 4, 6), range(5)), planner(six), []
    there = {make.trains(m, (0,), seed)[0].key for m in grid.methods for seed in grid.seeds}
    plain, progress = Planner.run, []
    monkeypatch.setattr(Planner, "run", lambda self, *which: planned.append(which) or plain(self, *which))
    found = survey(grid, make, there, lambda *seeds: progress.append(seeds))
    assert found.found == Counter({("Train", "lora"): 5, ("Train", "dsc"): 5})
    assert len(planned) < len(grid)
    assert progress == [(n, 5) for n in range(1, 6)]


def test_a_wave_is_planned_when_it_is_wanted_and_what_was_planned_before_is_let_go(six):
    grid, make = Grid(choose("lora", {}), orders_of(six, "4"), (2, 4), range(3)), planner(six)
    waves = list(grid.waves(make, size=7))
    assert [len(w) for w in waves] == [7, 7, 7, len(grid) - 21]
    assert not make.known
