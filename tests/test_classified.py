"""The table of real pictures that models classify: chance, ceiling, saturation, and records without a margin."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpbench.benchmark.records.result import Result, write_result
from cpbench.reports.analysis.board import boards
from cpbench.reports.analysis.entry import entry_of
from cpbench.reports.tables.classified import chance, classified, saturated
from cpbench.reports.tables.markdown import to_markdown
from cpbench.reports.write import load, write_report
from synthetic import FORGETS, KEEPS, NAN, ORDER, record, row

OLD, NEW = ("dc_accuracy",), ("dc_accuracy", "dc_margin", "dc_accuracy_bare", "dc_margin_bare")


def made(method, value, metrics=NEW, base=1.0, r=KEEPS):
    """A record whose model classifies this share of each concept's pictures in the end, with a margin of 3."""
    values = {m: 3.0 if "margin" in m else value for m in metrics}
    rows = [row(m, 3, j, v) | {"concept": ORDER[j - 1]} for m, v in values.items() for j in (1, 2, 3)]
    rows += [row("dc_accuracy", 0, j, base) | {"concept": ORDER[j - 1]} for j in (1, 2, 3)]
    content = record(method, r).model_dump(by_alias=True)
    return Result.model_validate(content | {"scores": content["scores"] + rows})


def table_of(*results):
    (board,) = boards([entry_of(result) for result in results])
    return classified(board)


def test_the_table_has_methods_as_the_leaderboard_and_below_them_floor_chance_and_ceiling():
    table = table_of(made("clora", 0.5, r=FORGETS), made("lora", 0.75))
    assert [line.title for line in table.lines] == [
        "lora",
        "clora",
        "floor: base model",
        "chance: 1 of 3",
        "ceiling: all correct",
    ]
    assert [line.values["dc_accuracy"].value for line in table.lines] == [0.75, 0.5, 1.0, pytest.approx(1 / 3), 1.0]
    margins = [line.values["dc_margin"].value for line in table.lines]
    np.testing.assert_allclose(margins, [3.0, 3.0, NAN, -math.log(2), NAN])
    assert math.isnan(table.lines[2].values["dc_accuracy_bare"].value), "the base model has no tokens"


@pytest.mark.parametrize("base", [0.5, 0.95, 0.97, 1.0])
@pytest.mark.parametrize("values", [(0.96, 1.0), (0.5, 1.0), (1.0, 0.95)])
def test_accuracy_is_saturated_where_every_method_and_the_base_model_lie_above_95_percent(values, base):
    results = [made(m, v, base=base) for m, v in zip(("clora", "lora"), values, strict=True)]
    table, full = table_of(*results), min(*values, base) > 0.95
    assert ("(saturated)" in table.columns[0].title) is full
    assert any("saturated: all methods" in note for note in table.notes) is full
    assert not any("(saturated)" in column.title for column in table.columns[1:])


@given(st.lists(st.floats(0, 1), max_size=5), st.floats(0, 1))
def test_one_value_of_95_percent_or_less_is_enough_not_to_be_saturated(values, base):
    assert saturated(values, base) is (min([*values, base]) > 0.95)
    assert not saturated([*values, 0.95], base) and not saturated(values, NAN)
    assert saturated([*values, NAN], base) is saturated(values, base), "what was not measured says nothing"


@given(st.integers(2, 200))
def test_chance_of_the_margin_is_the_log_odds_of_chance_of_the_accuracy(k):
    share = chance("dc_accuracy", k)
    assert chance("dc_margin", k) == pytest.approx(math.log(share) - math.log(1 - share), abs=1e-9)


def test_records_without_a_margin_are_shown_and_said_to_lack_it():
    (board,) = boards([entry_of(made("lora", 0.5, OLD))])
    table, text = classified(board), to_markdown([board])
    assert [column.key for column in table.columns] == ["dc_accuracy"]
    assert not any("log P" in note or "_bare" in note for note in table.notes)
    assert "dc\\_margin (it takes 2 concepts, and what dc\\_accuracy takes; records of earlier" in text


def test_without_classified_pictures_there_is_no_table():
    (board,) = boards([entry_of(record("lora"))])
    assert classified(board) is None and "chance" not in to_markdown([board])


def test_markdown_and_the_first_page_print_chance_ceiling_and_what_the_margin_is(tmp_path):
    results = [made("clora", 1.0), made("lora", 1.0)]
    (board,) = boards([entry_of(result) for result in results])
    text = to_markdown([board])
    assert "| *chance: 1 of 3* | 33.3 | -0.69 | 33.3 | -0.69 |" in text
    assert "| *ceiling: all correct* | 100.0 | – | 100.0 | – |" in text
    assert "log P − log(1 − P)" in text and "It is saturated" in text
    for result in results:
        write_result(tmp_path / "results", result)
    list(write_report(load(tmp_path / "results"), tmp_path, {}, lambda key: [], "site"))
    page = (tmp_path / "site" / "index.html").read_text()
    assert "chance: 1 of 3" in page and "log P − log(1 − P)" in page and "(saturated)" in page
