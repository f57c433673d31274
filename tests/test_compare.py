"""Comparisons of methods, runs and folders: exact paired differences, clear refusals, and conditions for scripts."""

import io
import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

import cpbench
from cpbench.benchmark.cli.main import main
from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.records.result import write_result
from cpbench.reports.analysis.compare import compared, compared_folders, only_one
from cpbench.reports.analysis.limits import Limit
from cpbench.reports.analysis.resolution import Design, separated
from cpbench.reports.tables.comparison import as_json, comparison_table, sentences
from synthetic import FORGETS, KEEPS, NAN, ORDER, entry, record

COUNTS = st.integers(0, 8).map(lambda k: k / 8)  # sums of few eighths are exact


def matrix_of(learned, last):
    """A matrix as the final protocol measures it, from its diagonal and its last row."""
    (a, b, c), (x, y) = learned, last
    return [[0.0, 0.1, 0.2], [a, NAN, NAN], [NAN, b, NAN], [x, y, c]]


def runs_of(method, values, shift=0.0):
    """One run per seed from (learned, last) values."""
    return [
        entry(method, matrix_of([v + shift for v in learned], [v + shift for v in last]), seed=k)
        for k, (learned, last) in enumerate(values)
    ]


MATRICES = st.lists(
    st.tuples(st.lists(COUNTS, min_size=3, max_size=3), st.lists(COUNTS, min_size=2, max_size=2)),
    min_size=1,
    max_size=6,
)


def shown(found, width=80):
    console = Console(width=width, file=io.StringIO())
    console.print(comparison_table(found))
    return console.file.getvalue()


def text_of(comparison):
    return " ".join(sentences(comparison))


def test_differences_are_what_is_computed_by_hand():
    a = [entry(r=KEEPS, seed=k) for k in range(3)] + [entry(r=KEEPS, seed=9)]
    b = [entry("dsc", FORGETS, seed=k) for k in range(2)]
    (found,) = compared(a, b, ("clora", "dsc"))
    assert (found.pairs, found.unpaired, found.headline) == (2, (2, 0), "identity")
    values = {m.column: m.difference.value for m in found.measures}
    assert values["average"] == pytest.approx(0.7 - 0.6)
    assert values["plasticity"] == pytest.approx((0.7 + 0.7 + 0.8 - 0.9 - 0.8 - 0.9) / 3)
    assert values["forgetting"] == pytest.approx((0.0 + 0.1 - 0.6 - 0.2) / 2)
    assert values["mmd"] == pytest.approx(-0.1 / 100) and values["kid"] == pytest.approx(-0.1 / 50)
    assert values["train_seconds"] == values["stored_bytes"] == 0
    assert "text_align" not in values, "it was not measured"
    assert all(m.difference.interval is None for m in found.measures), "two pairs have no interval"


def test_an_interval_is_students_over_the_pairs():
    a = [entry(r=matrix_of([0.5] * 3, [v, 0.5]), seed=k) for k, v in enumerate((0.2, 0.5, 0.8))]
    b = [entry("dsc", matrix_of([0.5] * 3, [0.2, 0.5]), seed=k) for k in range(3)]
    (found,) = compared(a, b, ("a", "b"))
    low, high = found.of("average").difference.interval
    # differences of the averages are 0, 0.1 and 0.2: mean 0.1, s 0.1; t(0.975, 2) is 4.3027
    half = 4.3026527 * 0.1 / math.sqrt(3)
    assert (low, high) == pytest.approx((0.1 - half, 0.1 + half))
    assert not found.of("average").significant
    assert found.resolution == pytest.approx(5.65339 * 0.1 / math.sqrt(3), rel=1e-4)


@given(MATRICES)
def test_a_method_does_not_differ_from_itself(values):
    runs = runs_of("clora", values)
    (found,) = compared(runs, runs, ("a", "a"))
    assert found.equal and all(m.difference.value == 0 for m in found.measures)
    assert all(m.difference.interval in (None, (0, 0)) for m in found.measures)
    assert "to the last bit" in text_of(found)


@given(MATRICES, MATRICES)
def test_swapping_both_sides_negates_every_difference(one, two):
    a, b = runs_of("clora", one), runs_of("dsc", two)
    (there,), (back,) = compared(a, b, ("a", "b")), compared(b, a, ("b", "a"))
    assert there.pairs == back.pairs == min(len(one), len(two)) and there.unpaired == back.unpaired[::-1]
    assert there.resolution == pytest.approx(back.resolution, nan_ok=True)
    for m, n in zip(there.measures, back.measures, strict=True):
        assert m.difference.value == -n.difference.value and (m.first, m.second) == (n.second, n.first)
        if m.difference.interval is not None:
            low, high = n.difference.interval
            assert m.difference.interval == pytest.approx((-high, -low), abs=1e-15)


@given(MATRICES, st.integers(-4, 4).map(lambda k: k / 8))
def test_a_constant_shift_is_found_exactly(values, shift):
    """Prompts average to eighths, whose sums are exact; a mean over three concepts rounds."""
    a, b = runs_of("clora", values, shift), runs_of("dsc", values)
    (found,) = compared(a, b, ("a", "b"))
    for column, wanted in (("average", shift), ("plasticity", shift), ("forgetting", 0.0)):
        assert found.of(column).difference.value == pytest.approx(wanted, abs=1e-15)
        interval = found.of(column).difference.interval
        assert interval is None or interval == pytest.approx((wanted, wanted), abs=1e-14)


def test_runs_without_pairs_are_refused_with_the_orders_and_seeds_of_both():
    a, b = [entry(seed=k) for k in (0, 1)], [entry("dsc", seed=5), entry("dsc", seed=0, order=ORDER[::-1])]
    with pytest.raises(BadInput, match=r"no pairs.*clora has mallow,rumble,petal \(seed 0, 1\); dsc has .*\(seed 5\)"):
        compared(a, b, ("clora", "dsc"))


@pytest.mark.parametrize(
    ("changes", "named"), [({"device": "cuda"}, "device: cpu and cuda"), ({"weights": "d" * 16}, "backbone: tiny")]
)
def test_other_conditions_are_refused_and_named(changes, named):
    with pytest.raises(BadInput, match=f"conditions differ.*{named}"):
        compared([entry()], [entry("dsc", **changes)], ("clora", "dsc"))


def test_only_equal_conditions_are_paired():
    a = [entry(seed=0), entry(seed=0, device="cuda"), entry(seed=0, protocol="full")]
    b = [entry("dsc", KEEPS, seed=0), entry("dsc", KEEPS, seed=0, device="cuda")]
    found = compared(a, b, ("clora", "dsc"))
    assert sorted(c.conditions["device"] for c in found) == ["cpu", "cuda"]


def test_fewer_than_three_pairs_are_said_to_have_no_interval():
    (found,) = compared([entry(seed=k) for k in (0, 1)], [entry("dsc", KEEPS, seed=k) for k in (0, 1)], ("a", "b"))
    assert "no interval" in text_of(found) and "could have been missed" not in text_of(found)
    assert math.isinf(found.resolution) and as_json(found)["resolution"] is None


def test_folders_are_compared_method_by_method():
    one = [entry(seed=k) for k in range(3)] + [entry("dsc", KEEPS, seed=k) for k in range(3)] + [entry("lora")]
    two = [entry(seed=k) for k in range(3)] + [entry("dsc", FORGETS, seed=k) for k in range(3)]
    found = {c.method: c for c in compared_folders(one, two, ("new", "old"))}
    assert list(found) == ["clora", "dsc"] and found["clora"].equal and not found["dsc"].equal


def test_an_option_that_changed_between_folders_is_named():
    one = [entry("dsc", KEEPS, options={"dsc": {"temperature": 0.1}})]
    two = [entry("dsc", FORGETS, options={"dsc": {"temperature": 0.05}})]
    (found,) = compared_folders(one, two, ("new", "old"))
    assert "Different options: dsc.temperature 0.1 and 0.05." in text_of(found)


def test_of_several_sets_of_options_equal_ones_are_compared():
    warm, cool = ({"dsc": {"temperature": t}} for t in (0.1, 0.05))
    one = [entry("dsc", KEEPS, options=warm)]
    two = [entry("dsc", FORGETS, options=cool), entry("dsc", FORGETS, options=warm)]
    (found,) = compared_folders(one, two, ("new", "old"))
    assert found.method == "dsc (dsc.temperature=0.1)" and found.options == ()
    assert only_one(one, two) == ([], ["dsc (dsc.temperature=0.05)"])


def test_folders_without_a_common_method_are_refused():
    with pytest.raises(BadInput, match="no method with equal options is in both folders: new has clora; old has dsc"):
        compared_folders([entry()], [entry("dsc")], ("new", "old"))


@pytest.mark.parametrize("width", [80, 120])
def test_a_table_fits_the_terminal_with_every_column_and_its_unit(width):
    a, b = ([entry(m, r, seed=k) for k in range(3)] for m, r in (("clora", KEEPS), ("dsc", FORGETS)))
    text = shown(compared(a, b, ("clora", "dsc")), width)
    assert all(len(row) <= width for row in text.splitlines()) and "…" not in text
    assert all(name in text for name in ("average % ↑", "forgetting %-points ↓", "+10.0", "-1.00", "difference"))
    assert "3 pairs of runs" in text and "1 order × 3 seeds" in text


# conditions


def comparison(difference=-0.03):
    """Three pairs whose averages differ by -0.02, -0.03 and -0.04 on average of three concepts."""
    a = [
        entry(r=matrix_of([0.5] * 3, [0.5 + 3 * (difference + s), 0.5]), seed=k) for k, s in enumerate((0.01, 0, -0.01))
    ]
    return compared(a, [entry("dsc", matrix_of([0.5] * 3, [0.5, 0.5]), seed=k) for k in range(3)], ("a", "b"))[0]


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("average < -2", True),
        ("average < -3.5", False),
        ("average<=-2.9", True),
        ("average > -4", True),
        ("average >= 0", False),
        ("forgetting > 4", True),
        ("mmd > 0.29", True),
        ("train_seconds <= 0", True),
        ("average < -2 (sure)", False),
        ("average < -0.5 (sure)", True),
        (" average  <  -0.5(SURE) ", True),
    ],
)
def test_a_condition_is_of_the_difference_in_the_unit_of_the_table(text, holds):
    assert Limit.of(text).holds(comparison()) is holds


@pytest.mark.parametrize(
    "text", ["average", "average < x", "average = 2", "< 2", "", "average < 2 sure", "average << 2"]
)
def test_a_condition_that_cannot_be_read_is_refused_with_its_form(text):
    with pytest.raises(BadInput, match="average < -2"):
        Limit.of(text)


def test_a_condition_of_an_unknown_or_unmeasured_column_is_refused():
    with pytest.raises(BadInput, match="did you mean average"):
        Limit.of("averag < 2")
    with pytest.raises(BadInput, match="text_align was not measured"):
        Limit.of("text_align < 2").holds(comparison())


def test_a_sure_condition_never_holds_without_an_interval():
    (found,) = compared([entry()], [entry("dsc", KEEPS)], ("a", "b"))
    assert Limit.of("average < 0").holds(found) and not Limit.of("average < 0 (sure)").holds(found)


# the verb and the command


@pytest.fixture
def folder(tmp_path):
    """Own records: clora and dsc with three seeds, lora with one, and dsc with other options on another device."""
    own = tmp_path / "own"
    for seed in range(3):
        write_result(own, record(seed=seed))
        write_result(own, record("dsc", KEEPS, seed=seed))
    write_result(own, record("lora", seed=7))
    for temperature in (0.1, 0.2):
        write_result(own, record("ewc", KEEPS, options={"ewc": {"strength": temperature}}))
    return own


def test_methods_are_compared_by_name(folder):
    (found,) = cpbench.compare("dsc", "clora", results=folder)
    assert found.pairs == 3 and found.of("average").difference.value == pytest.approx(0.1)


def test_runs_are_compared_by_the_beginnings_of_their_ids(folder):
    a, b = record().run.id, record("dsc", KEEPS).run.id
    (found,) = cpbench.compare(a[:6], b, results=folder)
    assert found.pairs == 1 and found.of("average").difference.value == pytest.approx(-0.1)


def test_folders_are_compared_and_methods_of_one_alone_are_named(folder, tmp_path):
    write_result(tmp_path / "old", record("dsc", FORGETS))
    said = []
    (found,) = cpbench.compare(folder, tmp_path / "old", warn=said.append)
    assert found.method == "dsc" and found.unpaired == (2, 0)
    assert any("Only in" in text and "clora" in text and "lora" in text for text in said)


@pytest.mark.parametrize(
    ("first", "second", "problem"),
    [
        ("dsk", "clora", "unknown method, run or folder 'dsk': did you mean dsc"),
        ("ewc", "clora", "several sets of options.*'ewc .ewc.strength=0.1.' or 'ewc .ewc.strength=0.2.'"),
        ("lora", "clora", r"no pairs.*seed 7"),
        ("./nowhere", "./own", "./nowhere: no such folder"),
        ("clora", "./own", "two folders, or two methods or runs"),
        ("./empty", "./own", "empty holds no finished runs"),
        ("", "clora", "unknown method, run or folder ''"),
        ("0123", "clora", "unknown method, run or folder"),
    ],
)
def test_what_cannot_be_compared_is_refused(folder, tmp_path, monkeypatch, first, second, problem):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match=problem):
        cpbench.compare(first, second, results="own")


def test_a_row_of_the_leaderboard_names_one_of_several_sets_of_options(folder):
    (found,) = cpbench.compare("ewc (ewc.strength=0.1)", "ewc (ewc.strength=0.2)", results=folder)
    assert found.equal and found.options == (("ewc.strength", "0.1", "0.2"),)


def test_ids_that_begin_alike_are_ambiguous(tmp_path):
    seen = {}
    for seed in itertools.count():
        made = record(seed=seed)
        if (twin := seen.setdefault(made.run.id[:3], made)) is not made:
            break
    for result in (made, twin):
        write_result(tmp_path, result)
    with pytest.raises(BadInput, match="2 runs start with"):
        cpbench.compare(made.run.id[:3], "clora", results=tmp_path)


def test_the_command_prints_unrounded_json_and_fails_on_a_condition(folder, capsys):
    with pytest.raises(SystemExit) as status:
        main(["compare", "clora", "dsc", "--results", str(folder), "--json", "--fail-if", "average < -2"])
    out, err = capsys.readouterr()
    (found,) = json.loads(out)
    (same,) = cpbench.compare("clora", "dsc", results=folder)
    assert found["columns"]["average"]["difference"] == same.of("average").difference.value
    assert status.value.code == 3 and "'average < -2' holds (difference -10.0)" in err


def test_the_command_ends_well_where_no_condition_holds(folder, capsys):
    with pytest.raises(SystemExit) as status:
        main(["compare", "dsc", "clora", "--results", str(folder), "--fail-if", "average < -2"])
    assert status.value.code == 0 and "dsc minus clora" in capsys.readouterr().out


def test_a_bad_condition_is_refused_before_records_are_read(capsys):
    with pytest.raises(SystemExit) as status:
        main(["compare", "dsc", "clora", "--results", "/nowhere", "--fail-if", "average"])
    assert status.value.code == 2 and "--fail-if" in capsys.readouterr().err


def test_the_resolution_of_a_comparison_is_that_of_its_own_pairs():
    rng = np.random.default_rng(4)
    a = [entry(r=matrix_of([0.5] * 3, [float(v), 0.5]), seed=k) for k, v in enumerate(rng.integers(0, 8, 6) / 8)]
    b = [entry("dsc", matrix_of([0.5] * 3, [0.5, 0.5]), seed=k) for k in range(6)]
    (found,) = compared(a, b, ("a", "b"))
    differences = [x.matrix("identity")[-1].mean() - y.matrix("identity")[-1].mean() for x, y in zip(a, b, strict=True)]
    assert found.resolution == pytest.approx(separated(float(np.std(differences, ddof=1)), Design.planned(1, 6)))
