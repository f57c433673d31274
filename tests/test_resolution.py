"""The resolution of runs: a difference this large is found in 80 % of cases; boards print it, and plans foresee it."""

import csv
import io
import math
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console
from scipy.stats import t as student

from cpbench.benchmark.cli.main import main
from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.plan.grid import Grid
from cpbench.benchmark.records.reading import read_records, unheard
from cpbench.benchmark.records.result import write_result
from cpbench.benchmark.storage.baseline import baseline
from cpbench.benchmark.suite.spec import load_suite
from cpbench.benchmark.verbs.foresight import foreseen
from cpbench.benchmark.verbs.report import report
from cpbench.benchmark.verbs.sweep import sweep
from cpbench.benchmark.wording import counted
from cpbench.methods.catalogue import UPPER_BOUNDS
from cpbench.reports.analysis.board import boards, row_of
from cpbench.reports.analysis.entry import entries_of
from cpbench.reports.analysis.paired import difference
from cpbench.reports.analysis.resolution import Design, noise, resolution, separated
from cpbench.reports.results import Results
from cpbench.reports.tables.columns import to_csv
from cpbench.reports.tables.latex import to_latex
from cpbench.reports.tables.markdown import to_markdown
from cpbench.reports.tables.notes import notes
from cpbench.reports.tables.terminal import to_terminal
from synthetic import FORGETS, KEEPS, ORDER, entry, record

ORDERS = [tuple(ORDER), tuple(ORDER[::-1]), (ORDER[1], ORDER[0], ORDER[2])]


def keys_of(orders, seeds):
    return [((str(o),), s) for o in range(orders) for s in range(seeds)]


def value_of(run):
    return run.value


def made(values, orders, seeds):
    """Runs with given values, (methods, runs), by method."""
    places = keys_of(orders, seeds)
    return {
        f"m{k}": [
            SimpleNamespace(order=order, run=SimpleNamespace(seed=seed), value=float(v))
            for (order, seed), v in zip(places, row, strict=True)
        ]
        for k, row in enumerate(values)
    }


@pytest.mark.parametrize(("orders", "seeds"), [(3, 2), (1, 3), (6, 1), (2, 5)])
def test_a_difference_as_large_as_the_resolution_is_found_in_80_per_cent(orders, seeds):
    """The paired test itself is used, on normal differences whose mean is the resolution."""
    rng, n, keys = np.random.default_rng(orders * 10 + seeds), 3000, keys_of(orders, seeds)
    mean = separated(1.0, Design.planned(orders, seeds))
    drawn = rng.normal(mean, 1.0, (n, len(keys)))
    zero = dict.fromkeys(keys, 0.0)
    found = sum(difference(dict(zip(keys, row, strict=True)), zero, ("a", "b")).significant for row in drawn) / n
    print(f"{orders} orders × {seeds} seeds: {found:.3f}")
    assert abs(found - 0.8) < 4 * math.sqrt(0.8 * 0.2 / n)


@pytest.mark.parametrize(
    ("orders", "seeds", "freedom"), [(3, 2, 3), (1, 3, 2), (6, 1, 5), (1, 2, 0), (1, 1, 0), (2, 1, 0)]
)
def test_a_design_has_the_degrees_of_freedom_of_its_interval(orders, seeds, freedom):
    design = Design.planned(orders, seeds)
    assert (design.orders, design.seeds, design.runs, design.freedom) == (orders, seeds, orders * seeds, freedom)


def test_orders_with_unequal_numbers_of_seeds_are_counted_as_runs():
    design = Design.of([(("a",), 0), (("a",), 1), (("b",), 0)])
    assert (design.seeds, design.runs, design.freedom) == (None, 3, 2), "one order has one seed: all runs are one group"


def test_the_resolution_pools_all_pairs_by_the_root_mean_square_of_their_deviations():
    rng = np.random.default_rng(7)
    values = rng.normal(size=(4, 6)) * np.array([[1], [1], [2], [3]])
    found = resolution(made(values, 3, 2), value_of)
    halves = []
    for a, b in combinations(values, 2):
        keys = keys_of(3, 2)
        low, high = difference(
            dict(zip(keys, a, strict=True)), dict(zip(keys, b, strict=True)), ("", "")
        ).estimate.interval
        halves.append((high - low) / 2)
    wanted = math.sqrt(np.mean(np.square(halves))) / student.ppf(0.975, 3)
    assert found.value == pytest.approx(separated(wanted * math.sqrt(6), Design.planned(3, 2)))
    assert (found.methods, found.everywhere) == (4, True)


def test_it_is_unbiased_where_medians_would_promise_too_much():
    """Over many boards of three orders × two seeds, the mean square is that of the noise; the median is too small."""
    rng, pooled, medians = np.random.default_rng(3), [], []
    for _ in range(300):
        values = rng.normal(size=(5, 6))
        spread = noise(made(values, 3, 2), value_of)
        pooled.append(spread.seeds**2)
        within = values.reshape(5, 3, 2) - values.reshape(5, 3, 2).mean(axis=2, keepdims=True)
        medians.append(np.median([np.square(a - b).sum() / 3 for a, b in combinations(within, 2)]))
    assert np.mean(pooled) == pytest.approx(2.0, rel=0.1), "differences of two methods have twice the variance of one"
    assert np.mean(medians) < 0.9 * np.mean(pooled)


def test_methods_with_other_runs_are_left_out_and_it_is_said_so():
    runs = made(np.random.default_rng(0).normal(size=(3, 6)), 3, 2)
    runs["m2"] = runs["m2"][:3]
    found = resolution(runs, value_of)
    assert (found.methods, found.everywhere, found.design.runs) == (2, False, 6)


def test_one_method_alone_has_no_resolution():
    assert resolution(made(np.zeros((1, 3)), 1, 3), value_of) is None
    assert noise(made(np.zeros((1, 3)), 1, 3), value_of) is None


def test_more_seeds_and_more_orders_resolve_more():
    rng = np.random.default_rng(5)
    values = rng.normal(size=(6, 3, 1)) + rng.normal(size=(6, 3, 2))
    spread = noise(made(values.reshape(6, 6), 3, 2), value_of)
    assert spread.total > spread.seeds
    limits = [spread.resolution(Design.planned(3, seeds)) for seeds in range(2, 9)]
    assert limits == sorted(limits, reverse=True)
    wanted = limits[3]
    assert spread.seeds_for(3, wanted) == 5 and spread.resolution(Design.planned(3, 4)) > wanted
    assert spread.seeds_for(3, 1e-9) is None
    assert math.isinf(spread.resolution(Design.planned(1, 2)))


# boards


def several(n=3, **changes):
    rng, found = np.random.default_rng(1), []
    for method, r in (("lora", FORGETS), ("dsc", KEEPS)):
        for order in ORDERS[: n // 3 or 1]:
            for seed in range(min(n, 3)):
                last = [[*row] for row in r]
                last[3] = [float(np.clip(v + rng.normal() / 20, 0, 1)) for v in last[3]]
                found.append(entry(method, last, order=list(order), seed=seed, **changes))
    return found


def test_every_form_of_a_board_prints_its_resolution_in_one_sentence():
    found = boards(several())
    limit = 100 * found[0].resolution.value
    text = f"These runs (1 order × 3 seeds) separate methods whose averages differ by more than {limit:.1f} %-points"
    console = Console(width=300, file=io.StringIO())
    console.print(to_terminal(found, 300))
    printed = " ".join(console.file.getvalue().split())  # long notes break anywhere
    assert text in printed and text in to_markdown(found) and text.partition("(1")[0] in to_latex(found)
    assert "separate methods" not in to_csv(found)


def test_too_few_runs_are_said_to_separate_nothing():
    assert any("too few" in text and "at least 3" in text for text in notes(boards([entry(), entry("dsc")])[0]))


def test_a_board_of_one_method_or_without_any_spread_promises_nothing():
    alone = [entry(seed=k) for k in range(3)]
    for runs in (alone, [*alone, *(entry("dsc", KEEPS, seed=k) for k in range(3))]):
        assert not any("separate" in text for text in notes(boards(runs)[0]))


# baselines


def test_differences_from_a_baseline_are_in_every_form_and_only_if_asked_for():
    (plain,), (board,) = boards(several()), boards(several(), baseline="lora")
    lines = {line.method: line.values.get("difference") for line in board.lines}
    averages = {line.method: line.values["average"].value for line in board.lines}
    assert lines["lora"] is None and lines["dsc"].value == pytest.approx(averages["dsc"] - averages["lora"])
    assert lines["dsc"].n == 3 and lines["dsc"].interval is not None
    shown = f"{100 * lines['dsc'].value:+.1f}"
    console = Console(width=200, file=io.StringIO())
    console.print(to_terminal([board], 200))
    for text in (to_markdown([board]), to_latex([board]), console.file.getvalue()):
        assert shown in text and "Differences are from lora." in text
    for text in (to_markdown([plain]), to_latex([plain]), to_csv([plain])):
        assert "ifference" not in text.replace("paired differences", "")
    rows = [row for row in csv.DictReader(io.StringIO(to_csv([board]))) if row["column"] == "difference"]
    assert [(row["method"], float(row["value"]), row["runs"]) for row in rows] == [("dsc", lines["dsc"].value, "3")]
    without = [row for row in to_csv([board]).splitlines() if ",difference," not in row]
    assert without == to_csv([plain]).splitlines(), "no other number changes"


def test_a_board_without_the_baseline_has_dashes_and_a_sentence():
    here, there = boards([*several(), *several(device="cuda"), *[entry("ti", seed=k) for k in range(3)]], baseline="ti")
    told = {board.conditions["device"]: " ".join(notes(board)) for board in (here, there)}
    assert "Differences are from ti." in told["cpu"]
    assert "No differences: the baseline ti has no runs under these conditions." in told["cuda"]
    rows = [x for x in to_markdown([here, there]).splitlines() if x.startswith("| dsc")]
    assert [row.split(" | ")[3] == "–" for row in rows].count(True) == 1


def test_no_row_is_marked_as_the_best_difference():
    """The baseline itself has none, and may be the best method."""
    row = next(x for x in to_markdown(boards(several(), baseline="lora")).splitlines() if x.startswith("| dsc"))
    assert "**" not in row.split(" | ")[3]


def test_a_baseline_with_several_sets_of_options_is_one_of_its_rows():
    runs = [entry("dsc", options={"dsc": {"temperature": t}}, seed=k) for t in (0.1, 0.2) for k in range(3)]
    with pytest.raises(BadInput, match=r"several sets of options.*'dsc \(dsc.temperature=0.1\)'"):
        boards([*runs, entry()], baseline="dsc")
    (board,) = boards([*runs, entry()], baseline="dsc (dsc.temperature=0.2)")
    assert row_of(board.baseline, board.runs) == "dsc (dsc.temperature=0.2)"


def test_a_report_refuses_a_baseline_that_no_board_has(tmp_path):
    write_result(tmp_path / "own", record())
    with pytest.raises(BadInput, match="unknown baseline 'clorra': did you mean clora"):
        report(tmp_path / "own", tmp_path / "out", only="tables", baseline="clorra")
    assert not (tmp_path / "out").exists()


def test_data_frames_have_the_column_where_there_is_a_baseline(tmp_path):
    paths = [
        write_result(tmp_path, record(m, r, seed=k)) for m, r in (("clora", FORGETS), ("dsc", KEEPS)) for k in range(3)
    ]
    table = Results(paths, baseline="clora").leaderboard().set_index("method")
    assert table.loc["dsc", "difference"] == pytest.approx(0.1) and np.isnan(table.loc["clora", "difference"])
    assert "difference" not in Results(paths).leaderboard()


# plans


@pytest.fixture(scope="module")
def shipped():
    """The leaderboard of the shipped records on toybox-6."""
    records = (r for _, r in read_records(baseline(), on_fault=unheard) if r.run.suite == "toybox-6")
    (board,) = boards(entries_of(records), UPPER_BOUNDS)
    return board


def session(weights, name="toybox-6"):
    return SimpleNamespace(suite=load_suite(name), facts=SimpleNamespace(weights=weights))


def grid(orders, seeds, length=6):
    return Grid([None], [tuple(np.roll(range(6), k)) for k in range(orders)], [length], range(seeds))


def test_a_plan_has_the_resolution_that_the_records_of_its_suite_suggest(shipped, tmp_path):
    of, weights = shipped.resolution, shipped.results[0].run.weights
    orders, each = of.design.orders, of.design.seeds
    design = f"{orders} orders × {counted(each, 'seed')}"
    said = list(foreseen(session(weights), grid(orders, each), tmp_path / "runs", 5.0))
    assert orders > 1 and (of.design, of.everywhere) == (Design.planned(orders, each), True)
    assert said[0].startswith(
        f"Resolution: {design} separate methods whose averages differ by more than {100 * of.value:.1f} "
    )
    spread = of.value / separated(1.0, of.design)
    seeds = next(n for n in range(1, 1000) if separated(spread, Design.planned(orders, n)) <= 0.05)
    needs = f"{orders * seeds} runs: {orders} orders × {seeds} seeds"
    assert said[1] == f"To separate 5.0 %-points, each method needs {needs}."
    of_each = f"{of.methods} methods on toybox-6, {orders * each} runs each ({design})"
    assert said[2] == f"This is an estimate from the records of {of_each}."


def test_a_plan_of_too_few_runs_is_said_to_separate_nothing(shipped, tmp_path):
    assert "too few" in next(foreseen(session(shipped.results[0].run.weights), grid(1, 1), tmp_path, 5.0))


@pytest.mark.parametrize("other", ["weights", "suite"])
def test_without_records_of_the_suite_and_model_the_resolution_is_not_known(shipped, tmp_path, other):
    weights = "0" * 16 if other == "weights" else shipped.results[0].run.weights
    name = "toybox-10" if other == "suite" else "toybox-6"
    (said,) = foreseen(session(weights, name), grid(3, 2, 10 if other == "suite" else 6), tmp_path, 5.0)
    assert "not known" in said


def test_own_records_count_too(tmp_path):
    own = {"suite": "toybox-6", "suite_hash": load_suite("toybox-6").hash, "weights": "0" * 16}
    for seed in range(3):
        write_result(tmp_path, record("clora", FORGETS, seed=seed, **own))
        write_result(tmp_path, record("dsc", KEEPS, seed=seed, **own))
    assert "not known" in next(foreseen(session("0" * 16), grid(1, 3, 3), tmp_path, 5.0)), "no spread"
    write_result(tmp_path, record("dsc", FORGETS, seed=2, **own))
    said = list(foreseen(session("0" * 16), grid(1, 3, 3), tmp_path, 5.0))
    assert said[0].startswith("Resolution of 3 tasks: 1 order × 3 seeds") and "2 methods" in said[-1]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"resolution": 5.0}, "use it with --dry-run"),
        ({"resolution": 0.0, "dry_run": True}, "give a number above 0, up to 1,000"),
        ({"resolution": math.nan, "dry_run": True}, "give a number above 0, up to 1,000"),
        ({"baseline": "lorra"}, "unknown method 'lorra': did you mean lora"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_loaded(tmp_path, arguments, problem):
    with pytest.raises(BadInput, match=problem):
        sweep("lora", "toybox-2", out=tmp_path, **arguments)


def test_the_command_refuses_an_unknown_baseline(capsys):
    with pytest.raises(SystemExit) as status:
        main(["run", "--methods", "lora", "--baseline", "lorra", "--dry-run"])
    assert status.value.code == 2 and "did you mean lora" in capsys.readouterr().err
