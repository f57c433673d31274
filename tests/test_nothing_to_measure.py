"""Where there is nothing to measure a number on, runs succeed, and everything that shows numbers says so."""

import itertools
import math
import re
import warnings

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from conftest import TINY, outcome_of, status_of, write_suite
from cpbench.benchmark.errors import FailedRun
from cpbench.benchmark.records.continual import average
from cpbench.benchmark.records.reading import examine
from cpbench.benchmark.records.result import Result
from cpbench.benchmark.records.unmeasured import METRICS_OF, NEEDS, unmeasured
from cpbench.benchmark.scoring import classifier, functional
from cpbench.benchmark.scoring.metrics import METRICS, Cell, rows
from cpbench.benchmark.scoring.pairs import PAIRS
from cpbench.benchmark.scoring.profiles import CLASSIFIED, PROFILES, load_profile
from cpbench.benchmark.toybox.world import portraits, unusual_individual
from cpbench.reports.analysis.board import boards
from cpbench.reports.analysis.entry import entry_of
from cpbench.reports.analysis.paired import ranks
from cpbench.reports.analysis.stats import estimate, spread
from cpbench.reports.analysis.summaries import summaries
from cpbench.reports.analysis.summaries import to_csv as summaries_csv
from cpbench.reports.plots.figures import FIGURES
from cpbench.reports.results import load_results
from cpbench.reports.tables.columns import columns_of, to_csv, winners
from cpbench.reports.tables.latex import to_latex
from cpbench.reports.tables.markdown import to_markdown
from cpbench.reports.tables.notes import missing
from synthetic import KEEPS, record

NAN = float("nan")
BAD = re.compile(r"(?<![\w#&/-])(nan|NaN|None|Infinity|inf)(?!\w)")
TOYBOX = load_profile("toybox")


def folders(tmp_path, *counts):
    """Concepts of so many pictures each."""
    found = []
    for k, count in enumerate(counts):
        (tmp_path / f"c{k}").mkdir()
        for i, picture in enumerate(portraits([unusual_individual("cat", 31 + k)], count, k)):
            Image.fromarray(picture).save(tmp_path / f"c{k}" / f"{i}.png")
        found.append({"name": f"c{k}", "noun": "cat", "folder": f"c{k}"})
    return found


def part(name, **changes):
    return {name: TINY[name] | changes}


ONE = {"evaluation": ["photo of a {}"], "pairs": [], "prior": []}
SUITES = {
    "3 pictures, all of them trained on": (
        lambda d: {"concepts": folders(d, 3, 3)} | part("training", pictures=3, steps=1),
        {"identity", *CLASSIFIED, *PAIRS},
    ),
    "spare pictures of the last concept only": (
        lambda d: {"concepts": folders(d, 2, 4)} | part("prompts", **ONE) | part("training", pictures=2, steps=1),
        {"identity", *PAIRS, "multi_align"},
    ),
    "one prompt and one picture, one concept, no look-alikes": (
        lambda d: (
            {"concepts": TINY["concepts"][:1]}
            | part("prompts", **ONE)
            | part("evaluation", per_prompt=1, references=2, distractors=0)
            | part("training", pictures=1, steps=1)
        ),
        {"mmd", "kid", "drift_mmd", "drift_kid", "diversity", "identity", *PAIRS, "multi_align"}
        | {"dc_margin", "dc_margin_bare"},
    ),
}


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")
@pytest.mark.parametrize(("changes", "lacks"), SUITES.values(), ids=SUITES)
def test_a_run_with_nothing_to_measure_on_succeeds_and_all_that_shows_it_says_so(tmp_path, capsys, changes, lacks):
    suite, out = write_suite(tmp_path, **changes(tmp_path)), tmp_path / "out"
    assert status_of("run", "--methods", "base,lora", "--suite", suite, "--out", out, "--quiet") == 0
    capsys.readouterr()
    found = load_results(out).scores
    assert set(METRICS_OF["toybox"]) - set(found["metric"][found["source"] == "model"]) == lacks
    assert status_of("report", "--results", out, "--out", tmp_path / "site") == 0
    for file in (f for f in (tmp_path / "site").rglob("*") if f.suffix in (".html", ".csv", ".md", ".tex", ".json")):
        assert not (hits := BAD.findall(file.read_text())), (file, hits)
    table = (tmp_path / "site" / "leaderboard.md").read_text().replace("\\", "")
    assert "Not measured: " in table and all(metric in table for metric in lacks)
    first, second = (path.stem for path in sorted(out.glob("*/*/*.json")))
    assert all("Not measured: " in f.read_text() for f in (tmp_path / "site").rglob(f"{first}.html"))
    capsys.readouterr()
    for command in (("show", first), ("diff", first, second)):
        status, printed, _ = outcome_of(capsys, *command, "--results", out)
        assert status == 0 and not BAD.search(printed)
    status, printed, _ = outcome_of(capsys, "compare", "lora", "base", "--results", out)
    assert status == 0 and not BAD.search(printed)


def test_the_lists_of_metrics_that_records_are_read_with_are_those_of_the_profiles():
    assert {name: p.metrics for name, p in PROFILES.items()} == METRICS_OF
    assert set(NEEDS) == set(METRICS)
    assert unmeasured("toybox", METRICS_OF["toybox"]) == {} == unmeasured("that of another package", ())


@settings(max_examples=60)
@given(
    kind=st.sampled_from(["concept", "pair", "prior"]),
    prompts=st.integers(1, 3),
    per_prompt=st.integers(1, 3),
    real=st.one_of(st.none(), st.integers(2, 4)),
    rivals=st.integers(0, 2),
    before=st.booleans(),
    drawn=st.booleans(),
)
def test_every_metric_has_a_finite_value_or_none_for_any_cell(kind, prompts, per_prompt, real, rivals, before, drawn):
    rng, n = np.random.default_rng(prompts), prompts * per_prompt
    x = lambda m=n: rng.normal(1, 1, (m, 8))  # noqa: E731
    cell = Cell(
        kind=kind,
        pictures=np.zeros((n, 8, 8, 3), np.uint8),
        prompts=np.repeat(np.arange(prompts), per_prompt) if drawn else None,
        drawn=x(),
        real=None if real is None else x(real),
        rivals=tuple(x(4) for _ in range(rivals)),
        each={"concept": (x(4),), "pair": (x(4), x(4)), "prior": ()}[kind],
        training=x(1) if kind == "concept" else None,
        before=x() if before else None,
    )
    for name in (m for m in METRICS if m != "lpips_diversity"):
        for row in rows(name, cell, TOYBOX):
            assert math.isfinite(row["value"]) and row["n"] >= 1
            assert row["se"] is None or math.isfinite(row["se"])


@pytest.mark.parametrize("bad", [NAN, math.inf])
def test_the_least_of_several_nan_is_no_result(bad):
    x = np.ones((4, 3)) * np.arange(1, 5)[:, None]
    spoilt = np.where(np.arange(4)[:, None] == 2, bad, x)
    for asked in (
        lambda: functional.identity(spoilt, [x, x + 1]),
        lambda: functional.identity(x, [spoilt, x]),
        lambda: functional.copying(spoilt, x, x),
    ):
        with pytest.raises(ValueError, match="finite, got NaN or infinity for 1 of 4 pictures"):
            asked()
    with pytest.raises(ValueError, match="not finite"):
        classifier.classify(lambda pictures, asked: np.full(len(asked), bad), np.zeros((1, 2, 2, 3)), [None] * 3)


def test_features_without_spread_or_length_are_refused_and_not_scored():
    with pytest.raises(ValueError, match="must vary"):
        functional.identity(np.ones((2, 3)), [np.ones((4, 3)), np.zeros((4, 3))])
    with pytest.raises(ValueError, match="zero for 1 of 2 pictures"):
        functional.image_align(np.array([[0.0, 0], [1, 0]]), np.ones((2, 2)))


def test_a_confusion_of_no_pictures_is_all_zero():
    np.testing.assert_array_equal(classifier.confusion([], np.array([], np.int64), 2), np.zeros((2, 2)))


CELLS = st.one_of(st.just(NAN), st.floats(0, 1).map(lambda v: round(v, 3)))
MATRICES = st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=4, max_size=4)
RUNS = st.lists(
    st.tuples(st.sampled_from(["lora", "dsc", "base"]), st.integers(0, 3), MATRICES, st.sets(st.integers(0, 5))),
    min_size=1,
    max_size=5,
    unique_by=lambda run: run[:2],
)


def thin(method, seed, r, dropped, tasks):
    """A record of which a part of the metrics, or the ceiling, was not measured."""
    full = record(method, r, seed=seed, order=["mallow", "rumble", "petal"][:tasks])
    names = ["identity", "mmd", "kid", "real", "prompts"]
    lost = {names[k] for k in dropped if k < len(names)}
    kept = [s for s in full.scores if s.metric not in lost and s.source not in lost]
    if "prompts" in lost:
        kept = [s for s in kept if s.prompt in (None, 0)]
    return full.model_copy(update={"scores": kept})


@settings(max_examples=40)
@given(runs=RUNS, tasks=st.integers(1, 3))
def test_boards_tables_and_summaries_of_any_gaps_have_no_nan_in_their_texts(runs, tasks):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = boards([entry_of(thin(*run, tasks)) for run in runs])
        for text in (to_csv(found), summaries_csv(found), to_markdown(found), to_latex(found)):
            assert not BAD.search(text)
    for board in found:
        values = [x.values["average"].value for x in board.lines if not x.bound]
        seen = [v for v in values if not math.isnan(v)]
        assert seen == sorted(seen, reverse=True) and values[: len(seen)] == seen, "rows without a value come last"
        for column in columns_of(board):
            won = winners(column, board).best
            assert all(not math.isnan(x.values[column.key].value) for x in board.lines if x.method in won)
        for s in summaries(board):
            assert math.isfinite(s.estimate.value) and s.estimate.n >= 1
        if tasks == 1:
            assert "forgetting (it takes a second task)" in missing(board)


@settings(max_examples=8)
@given(runs=RUNS, tasks=st.integers(1, 3))
@example([("lora", 0, [[NAN] * 3] * 4, set()), ("base", 0, [[NAN] * 3] * 3 + [[NAN, NAN, 0.0]], set())], 3)
def test_plots_of_any_gaps_are_drawn_or_left_out(runs, tasks):
    for board, draw in itertools.product(boards([entry_of(thin(*run, tasks)) for run in runs]), FIGURES.values()):
        figure = draw(board)
        assert figure is None or figure.axes


@given(st.lists(st.one_of(st.just(NAN), st.floats(-1, 1)), min_size=1, max_size=8))
def test_estimates_and_spreads_leave_out_what_was_not_measured(values):
    seen, orders = [v for v in values if not math.isnan(v)], ["a"] * len(values)
    assert estimate(values).n == len(seen)
    assert estimate(values, orders).value == estimate(seen, orders[: len(seen)]).value or not seen
    assert repr(spread(values, orders, values)) == repr(spread(seen, orders[: len(seen)], seen))
    assert math.isnan(average(np.array([values])[:, :0])) and math.isfinite(average(np.array([values]))) is bool(seen)


def test_a_method_without_a_value_has_the_last_rank():
    entries = {name: [entry_of(record(name, KEEPS))] for name in ("lora", "dsc")}
    value = {"lora": NAN, "dsc": 0.5}
    assert ranks(entries, lambda e: value[e.run.method])["lora"].place == 2


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=8,
)


@given(JSON)
def test_what_is_written_as_json_is_read_back_equal(value):
    from cpbench.benchmark.plain_json import json_text, parse_json

    assert parse_json(json_text(value)) == value


@pytest.mark.parametrize(
    "text",
    [
        "NaN",
        '{"a": [1, Infinity]}',
        "-Infinity",
        "1e999",
        '{"a": 1, "a": 2}',
        "[" * 99_999,
        "9" * 5000,
        "",
        "{",
        "é\x00",
    ],
)
def test_json_that_other_readers_refuse_is_refused(text):
    from cpbench.benchmark.plain_json import parse_json

    with pytest.raises(ValueError):
        parse_json(text)


@pytest.mark.parametrize("bad", [NAN, math.inf, -math.inf])
def test_no_number_that_is_not_finite_is_written_as_json(bad, tmp_path):
    from cpbench.benchmark.plain_json import write_json

    (tmp_path / "a.json").write_text("before")
    with pytest.raises(FailedRun, match=r"trials\[0\]\.value"):
        write_json(tmp_path / "a.json", {"trials": [{"value": bad}]})
    assert [f.name for f in tmp_path.iterdir()] == ["a.json"] and (tmp_path / "a.json").read_text() == "before"


DAMAGES = {
    "a key twice": ('"seed": 0', '"seed": 0, "seed": 1', "the key 'seed' is there twice"),
    "a key twice, with spaces": ('"seed": 0', '"seed" : 0, "seed"\t: 1', "the key 'seed' is there twice"),
    "a score with a value twice": ('"value":', '"value": 0.1, "value":', "the key 'value' is there twice"),
    "a key twice in the stamp": ('"environment": {', '"environment": {"a": "x:y", "a": 1', "'a' is there twice"),
    "NaN in the stamp": ('"environment": {', '"environment": {"a": {"b": [NaN]}', "environment.a.b[0] (nan)"),
    "deep nesting": ('"environment": {', '"environment": {"a": ' + "[" * 9999, "recursion limit"),
}


@pytest.mark.parametrize(("old", "new", "says"), DAMAGES.values(), ids=DAMAGES)
def test_a_record_with_ambiguous_or_unreadable_json_is_named(old, new, says, tmp_path):
    text = record("lora", KEEPS).model_dump_json(by_alias=True, indent=1)
    text = re.sub(r'": (?=[\w"{\[-])', '": ', text)
    assert old in text
    (tmp_path / "r.json").write_text(text.replace(old, new, 1))
    found = examine(tmp_path / "r.json")
    assert found.result is None and says in str(found)


@given(st.text(max_size=20), st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=4))
@settings(max_examples=50)
def test_a_sound_record_with_any_texts_has_no_key_twice(text, stamp):
    from cpbench.benchmark.records.keys import repeated_key

    full = record("lora", KEEPS).model_copy(update={"environment": stamp, "error": text or None})
    written = full.model_dump_json(by_alias=True).encode()
    assert repeated_key(written, Result.model_validate_json(written)) is None
