"""Leaderboards of synthetic records whose numbers are known by hand."""

import csv
import dataclasses
import io
import math

import numpy as np
import pytest
from rich.console import Console

from cpbench.benchmark.wording import counted, duration
from cpbench.reports.analysis.board import HEADLINES, boards, by_method
from cpbench.reports.analysis.entry import ceiling, entry_of, floor, matrix
from cpbench.reports.analysis.stats import estimate
from cpbench.reports.tables.columns import columns, size, to_csv, winners
from cpbench.reports.tables.markdown import escape, to_markdown
from cpbench.reports.tables.notes import counts, meanings
from cpbench.reports.tables.terminal import matrix_table, to_terminal
from cpbench.reports.tables.terms import GLOSSARY, TERMS
from synthetic import FORGETS, KEEPS, NAN, ORDER, entry, record


def line(found, method):
    return next(x for board in found for x in board.lines if x.method == method)


def shown(found, width=200):
    console = Console(width=width, file=io.StringIO())
    console.print(to_terminal(found, width))
    return console.file.getvalue()


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_the_matrix_averages_prompts_and_marks_unmeasured_cells():
    r = matrix(entry(), "identity")
    assert r.shape == (4, 3)
    np.testing.assert_allclose(r, FORGETS)


def test_the_matrix_of_a_metric_that_was_not_measured_is_empty():
    assert np.isnan(matrix(entry(), "image_align")).all()


def test_floor_and_ceiling_are_means_over_concepts():
    assert floor(entry(), "identity") == pytest.approx(0.1)
    assert ceiling(entry(), "identity") == pytest.approx(0.95)
    assert math.isnan(floor(entry(), "image_align"))
    assert math.isnan(ceiling(entry(), "kid"))


def test_the_leaderboard_shows_what_is_computed_by_hand():
    values = line(boards([entry()]), "clora").values
    assert values["average"].value == pytest.approx((0.3 + 0.6 + 0.9) / 3)
    assert values["plasticity"].value == pytest.approx((0.9 + 0.8 + 0.9) / 3)
    assert values["forgetting"].value == pytest.approx(((0.9 - 0.3) + (0.8 - 0.6)) / 2)
    assert values["mmd"].value == pytest.approx(0.004)
    assert values["kid"].value == pytest.approx(0.008)
    assert values["train_seconds"].value == pytest.approx(20)
    assert values["stored_bytes"].value == 600_000
    assert values["trainable"].value == 64320


def test_rows_are_ranked_and_end_with_floor_and_ceiling():
    (board,) = boards([entry(), entry("dsc", KEEPS)])
    assert [x.method for x in board.lines] == ["dsc", "clora", "floor: base model", "ceiling: real pictures"]
    assert [x.values["average"].value for x in board.lines[2:]] == pytest.approx([0.1, 0.95])


def test_runs_of_one_method_are_averaged_and_counted():
    average = line(boards([entry(), entry(r=KEEPS, seed=1)]), "clora").values["average"]
    assert average.value == pytest.approx((0.6 + 0.7) / 2)
    assert average.n == 2


def test_two_sets_of_options_are_two_rows_that_name_how_they_differ():
    warm, cool = ({"learner": {"rate": 0.001}, "dsc": {"temperature": t}} for t in (0.1, 0.05))
    named = by_method([entry("dsc", options=warm), entry("dsc", options=cool, seed=1), entry()])
    assert sorted(named) == ["clora", "dsc (dsc.temperature=0.05)", "dsc (dsc.temperature=0.1)"]


@pytest.mark.parametrize(
    "changes",
    [
        {"suite_hash": "d" * 16},
        {"backbone": "other"},
        {"weights": "d" * 16},
        {"profile": "dreambooth"},
        {"extractors": {"effnet-lite0": "d" * 16}},
        {"protocol": "full"},
        {"dtype": "bfloat16"},
        {"device": "cuda"},
        {"n": 16},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_runs_that_cannot_be_compared_are_split_with_the_reason(changes):
    found = boards([entry(), entry("dsc", KEEPS, **changes)])
    assert len(found) == 2
    assert all(len([x for x in board.lines if not x.bound]) == 1 for board in found)
    assert "2 tables" in to_markdown(found)
    assert "2 tables" in shown(found)


def test_numbers_of_pictures_split_boards_whatever_a_profile_measures():
    def aligned(n):
        whole = record(n=n)
        kept = [s.model_copy(update={"metric": "image_align"}) for s in whole.scores if s.metric == "identity"]
        return entry_of(whole.model_copy(update={"scores": kept}))

    found = boards([aligned(8), aligned(32)])
    assert [board.conditions["pictures per cell"] for board in found] == ["32", "8"]


def test_sequences_of_different_lengths_are_split():
    whole = record("dsc", KEEPS)
    two = [s for s in whole.scores if s.i < 3 and s.j < 3]
    short = whole.model_copy(update={"scores": two, "run": whole.run.model_copy(update={"order": ORDER[:2]})})
    assert sorted(board.tasks for board in boards([entry(), entry_of(short)])) == [2, 3]


def test_one_run_has_no_interval():
    assert estimate([0.5]).interval is None
    values = line(boards([entry()]), "clora").values
    assert values["average"].interval is None
    assert "no interval" in counts(boards([entry()])[0])


def test_an_interval_holds_the_mean_and_is_the_same_every_time():
    values = [0.5, 0.6, 0.65, 0.9]
    first = estimate(values)
    assert first.interval[0] < first.value < first.interval[1]
    assert estimate(values) == first


def test_runs_that_agree_have_an_interval_of_no_width():
    assert estimate([0.5] * 4).interval == (0.5, 0.5)


def test_runs_without_a_value_are_not_counted():
    assert estimate([0.5, NAN]).n == 1
    assert math.isnan(estimate([NAN]).value)


def test_markdown_prints_units_directions_and_the_best_in_bold():
    text = to_markdown(boards([entry(), entry("dsc", KEEPS)]))
    dsc = next(x for x in text.splitlines() if x.startswith("| dsc"))
    clora = next(x for x in text.splitlines() if x.startswith("| clora"))
    assert dsc.split(" | ")[1] == "**70.0**"
    assert clora.split(" | ")[1:4] == ["60.0", "**86.7**", "40.0"]
    assert "0.60 MB" in clora and "64,320" in clora and "| 4.00 |" in clora
    head = next(x for x in text.splitlines() if x.startswith("| method"))
    assert "↑" in head and "↓" in head and "%" in head and "10³" in head
    assert "**" not in next(x for x in text.splitlines() if "ceiling" in x)


def test_the_note_explains_the_numbers():
    text = to_markdown(boards([entry(), entry(seed=1)]))
    for part in ("tiny-3 (version 2", "backbone tiny", "tasks 3", "2 runs per method", "forgetting", "task orders"):
        assert part in text


def test_one_run_is_no_plural():
    assert "1 run per method" in counts(boards([entry()])[0])
    assert [counted(n, "row") for n in (0, 1, 2)] == ["0 rows", "1 row", "2 rows"]


def test_a_time_and_a_size_have_their_unit():
    times = {0.02: "0.020 s", 13.6: "13.6 s", 59.97: "1 min", 320: "5 min 20 s", 7500: "2 h 5 min"}
    assert {s: duration(s, measured=True) for s in times} == times
    assert [size(v) for v in (3_700, 420_000, 2_900_000, 12.5e9)] == ["3.7 kB", "0.42 MB", "2.90 MB", "12.50 GB"]


def test_every_column_and_headline_has_a_meaning_in_the_notes_and_the_glossary():
    keys = [*(c.key for c in columns("identity")), *HEADLINES, "rank", "floor", "ceiling", "upper-bound", "interval"]
    assert all(TERMS[key].text for key in keys)
    assert len(TERMS) == sum(map(len, GLOSSARY.values())), "no key is used twice"
    (board,) = several()
    told = dict(meanings(board, columns(board.headline)))
    assert all(TERMS[c.key].text in told.values() for c in columns(board.headline))


def test_csv_holds_unrounded_values_and_the_number_of_runs():
    found = rows_of(to_csv(boards([entry(), entry(seed=1)])))
    (average,) = [x for x in found if x["method"] == "clora" and x["column"] == "average"]
    assert float(average["value"]) == pytest.approx(0.6, abs=1e-12)
    assert average["runs"] == "2"
    assert {x["method"] for x in found if x["bound"]} == {"floor: base model", "ceiling: real pictures"}


def test_the_terminal_shows_every_method_and_the_matrix_of_a_run():
    text = shown(boards([entry(), entry("dsc", KEEPS)]))
    assert all(name in text for name in ("clora", "dsc", "floor", "ceiling", "70.0"))
    console = Console(width=120, file=io.StringIO())
    console.print(matrix_table(entry()))
    assert all(name in console.file.getvalue() for name in (*ORDER, "0.300"))


def test_an_option_that_only_some_runs_have_is_named_on_both_rows():
    old, new = {"learner": {"rate": 0.001}}, {"learner": {"rate": 0.001, "warm": 2}}
    named = by_method([entry(options=old), entry(options=new, seed=1)])
    assert sorted(named) == ["clora (learner.warm=2)", "clora (without learner.warm)"]


def test_a_run_without_ceiling_leaves_that_of_the_others():
    bare = record("dsc", KEEPS)
    bare = entry_of(bare.model_copy(update={"scores": [s for s in bare.scores if s.source == "model"]}))
    top = line(boards([entry(), bare]), "ceiling: real pictures").values["average"]
    assert (top.value, top.n) == (pytest.approx(0.95), 1)


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160])
def test_a_narrow_terminal_shows_whole_columns_and_names_the_others(width):
    found = boards([entry("lora", seed=k) for k in range(3)] + [entry("dsc", seed=k) for k in range(3)])
    text = shown(found, width)
    assert "…" not in text
    assert all(len(row) <= width for row in text.splitlines())
    heading, left_out = text.partition("─")[0], text.partition("not shown:")[2].partition("Widen")[0]
    names = [c.title.split()[0] for c in columns("identity")]
    shown_ones = [name for name in names if name in heading]
    assert all((name in heading) != (name in left_out) for name in names)
    assert shown_ones == names or f"{len(names) - len(shown_ones)} of {len(names)} columns" in text


def test_forgetting_is_in_sight_at_80_columns():
    heading = shown(several(), 80).partition("─")[0]
    assert all(name in heading for name in ("method", "rank", "average", "plasticity", "forgetting"))


def matrix_shown(width, order=ORDER):
    console = Console(width=width, file=io.StringIO())
    console.print(matrix_table(dataclasses.replace(entry(), run=entry().run.model_copy(update={"order": order}))))
    return console.file.getvalue()


def test_a_matrix_that_is_too_wide_counts_and_names_the_concepts_it_leaves_out():
    assert "not shown" not in matrix_shown(60)
    text = matrix_shown(60, ["mallow", "a-long-name-of-a-thing", "another-long-name-of-a-thing"])
    assert "…" not in text and all(len(row) <= 60 for row in text.splitlines())
    assert "2 of 3 concepts are not shown: a-long-name-of-a-thing, another" in " ".join(text.split())


def test_a_run_without_cost_shows_its_matrix_alone():
    console = Console(width=100, file=io.StringIO())
    console.print(matrix_table(entry("base", KEEPS)))
    assert "cost" not in console.file.getvalue()


def several(bounds=("joint",)):
    """Three runs each, of which those of joint are the best."""
    shifted = {"joint": KEEPS, "dsc": FORGETS, "clora": FORGETS, "lora": [[v / 2 for v in row] for row in FORGETS]}
    return boards([entry(m, r, seed=k) for k in range(3) for m, r in shifted.items()], bounds)


def column(key, board):
    return next(c for c in columns(board.headline) if c.key == key)


def test_upper_bounds_stand_by_the_ceiling_and_neither_win_nor_rank():
    (board,) = several()
    assert [x.title for x in board.lines][3:] == ["upper bound: joint", "floor: base model", "ceiling: real pictures"]
    assert "joint" not in board.ranks and set(board.ranks) == {"dsc", "clora", "lora"}
    assert not any("joint" in winners(c, board).best | winners(c, board).second for c in columns(board.headline))
    (rivals,) = several(bounds=())
    assert winners(column("average", rivals), rivals).best == {"joint"}, "without the mark it would win"


def test_upper_bounds_are_called_so_in_every_form():
    found = several()
    assert "| *upper bound: joint* |" in to_markdown(found)
    assert "upper bound: joint" in shown(found)
    assert {x["bound"] for x in rows_of(to_csv(found)) if x["method"] == "joint"} == {"upper bound"}


def test_equal_values_share_the_first_place_and_the_next_is_second():
    (board,) = several()
    found = winners(column("average", board), board)
    assert (found.best, found.second) == ({"dsc", "clora"}, {"lora"})
    assert to_markdown([board]).count("**60.0 (no spread)**") == 2


def test_ranks_and_who_is_surely_behind_the_first_are_in_every_form():
    found = several()
    text = to_markdown(found)
    assert "| method | rank | average" in text and "| clora | 1–2 |" in text and "| lora | 3† |" in text
    assert next(x for x in text.splitlines() if x.startswith("- **†**")).count("95 %") == 1
    assert "3†" in shown(found)
    ranked = {x["method"]: x for x in rows_of(to_csv(found)) if x["column"] == "rank"}
    assert [ranked["dsc"][k] for k in ("low", "high", "runs")] == ["1", "2", "3"]
    behind = {x["method"]: x["value"] for x in rows_of(to_csv(found)) if x["column"] == "first_is_better"}
    assert behind == {"clora": "0", "dsc": "0", "lora": "1"}


def test_without_intervals_there_are_no_ranks():
    found = boards([entry(), entry("dsc", KEEPS)])
    assert not found[0].ranks
    assert "rank" not in to_markdown(found) and "rank" not in to_csv(found)


def test_runs_are_counted_once_where_all_methods_have_as_many():
    (board,) = several()
    assert "3 runs per method" in counts(board)
    (uneven,) = boards([entry(seed=k) for k in range(4)] + [entry("dsc", seed=k) for k in range(3)])
    assert "clora 4, dsc 3" in counts(uneven)


def test_an_interval_of_a_share_ends_where_shares_end_and_runs_without_spread_show_none():
    high = [[v + s for v in row] for row in KEEPS for s in (0,)]
    runs = [entry(r=[[min(1.0, v + 0.2 * k * (i == 3)) for v in row] for i, row in enumerate(high)], seed=k)
            for k in range(3)]  # fmt: skip
    (board,) = boards([*runs, *(entry("dsc", KEEPS, seed=k) for k in range(3))])
    average = line([board], "clora").values["average"]
    assert average.interval[1] > 1
    text = to_markdown([board])
    assert f"{100 * average.value:.1f} [{100 * average.interval[0]:.1f}, 100.0]" in text
    assert "70.0 (no spread)" in text and "[70.0, 70.0]" not in text


def test_the_title_of_forgetting_has_its_unit():
    assert "forgetting %-points ↓" in to_markdown(several())


def test_what_records_hold_is_text_in_markdown():
    text = to_markdown(boards([entry("x|y", backbone="<img src=x>")]))
    assert r"| x\|y |" in text and "<img" not in text.replace(r"\<img", "")
    assert escape("a_b\n*c* [d](e) `f`") == r"a\_b \*c\* \[d\](e) \`f\`"
