"""Records tell which code made them; code with equal fingerprints counts as the same."""

import pytest

from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.records.history import (
    SHARED,
    digests_of,
    extended,
    line_of,
    read_history,
    shipped_fingerprints,
    write_history,
)
from cpbench.benchmark.records.reading import read_records
from cpbench.benchmark.verbs.fingerprints import OTHERS, digest_today
from cpbench.methods.catalogue import CATALOGUE
from cpbench.methods.registry import choose
from cpbench.reports.analysis import comparability, origin
from cpbench.reports.analysis.board import boards
from cpbench.reports.analysis.comparability import EQUAL_CODE, OTHER_CODE, unequal
from cpbench.reports.analysis.entry import entry_of
from cpbench.reports.analysis.origin import made_otherwise
from cpbench.reports.tables.notes import coded
from synthetic import KEEPS, record

CODE = {"train": "t", "draw": "d", "real": "r", "measure": "m", "classify": "c"}


def made(name, seed=0, commit=None, **code):
    """A run of a method by some code; without any, an older record of a commit."""
    changed = {"code": {**CODE, "method": name, **code} if commit is None else {}, "environment": {"commit": commit}}
    return entry_of(record(name, KEEPS, seed=seed).model_copy(update=changed))


def rows(*entries, history=None):
    (board,) = boards(list(entries))
    return sorted(row for found in made_otherwise(board, history or {}).values() for row in found)


def test_rows_of_the_same_code_are_alike_whatever_their_methods():
    assert rows(made("lora"), made("dsc"), made("clora")) == []


def test_a_row_drawn_or_scored_by_other_code_is_named():
    for kind in CODE:
        assert rows(made("lora"), made("dsc"), made("clora", **{kind: "other"})) == ["clora"], kind


def test_another_code_of_one_method_counts_only_beside_the_same_method():
    assert rows(made("lora"), made("dsc", method="changed")) == []
    assert rows(made("dsc", 0), made("dsc", 1), made("dsc", 2, method="changed")) == ["dsc"]


def test_code_with_equal_fingerprints_is_alike():
    history = {"dsc": [["old"], ["dsc", "changed"]], "sampling": [["d", "faster"]]}
    assert rows(made("dsc", 0), made("dsc", 1, method="changed", draw="faster"), history=history) == []
    assert rows(made("dsc", 0), made("dsc", 1), made("dsc", 2, method="old"), history=history) == ["dsc"]


def test_records_from_before_there_were_digests_count_by_their_commit():
    old, new = made("lora", commit="abc"), [made("dsc"), made("clora")]
    assert rows(old, *new) == ["lora"]
    alike = {name: [[code, "commit abc"]] for name, code in digests_of("dsc", new[0].code, None).items()}
    assert rows(old, *new, history=alike) == []
    assert rows(made("lora", commit="abd"), *new, history=alike) == ["lora"]


def test_the_note_of_a_board_names_rows_and_code(monkeypatch):
    (board,) = boards([made("lora"), made("dsc"), made("clora", draw="other")])
    monkeypatch.setattr(origin, "read_history", lambda folder: {})
    assert "clora (cpbench unknown)" in coded(board)
    assert "dsc" not in coded(board) and "lora," not in coded(board)
    (alike,) = boards([made("lora"), made("dsc")])
    assert coded(alike) == ""


def test_a_diff_of_two_runs_names_the_code_that_differs(monkeypatch):
    monkeypatch.setattr(comparability, "read_history", lambda folder: {"sampling": [["d", "faster"]]})
    found = {u.what: u.follows for u in unequal(made("dsc"), made("dsc", 1, draw="faster", method="changed"))}
    assert found["code of sampling"] == EQUAL_CODE and found["code of dsc"] == OTHER_CODE
    between = {u.what for u in unequal(made("dsc"), made("lora"))}
    assert not any(what.startswith("code of") for what in between), "which method it is, is what is compared"


def test_a_history_grows_on_its_newest_line_unless_numbers_changed(tmp_path):
    lines = extended([], "a", changed=True)
    lines = extended(extended(lines, "b", changed=False), "b", changed=False)
    lines = extended(lines, "c", changed=True)
    assert lines == [["a", "b"], ["c"]]
    write_history(tmp_path, {"dsc": lines})
    assert read_history(tmp_path) == {"dsc": lines}
    assert line_of("dsc", "a", {"dsc": lines}) == line_of("dsc", "b", {"dsc": lines})
    assert len({line_of("dsc", code, {"dsc": lines}) for code in "acx"}) == 3
    assert read_history(tmp_path / "none") == {}
    (tmp_path / "history.json").write_text("{")
    with pytest.raises(BadInput, match=r"history\.json"):
        read_history(tmp_path)


def test_every_shared_name_has_a_digest():
    assert set(digests_of("dsc", CODE, None)) == {"dsc", *SHARED} == set(digests_of("dsc", {}, "abc"))


def test_the_shipped_history_ends_with_the_code_of_today():
    """Else records of today's code would count as never compared; see CONTRIBUTING.md for what to do."""
    history = read_history(shipped_fingerprints())
    methods = {name: choose(name, {})[0] for name in CATALOGUE}
    names = {*methods, *OTHERS, "learning"}
    assert names <= set(history)
    old = {n for n in names if digest_today(n, methods.get(n)) not in history[n][-1]}
    assert not old, "run: cpbench check --fast --update-fingerprints 'why'"


def test_the_shipped_records_are_of_the_newest_line():
    """They were made at one commit, whose numbers were found again to the last bit."""
    history = read_history(shipped_fingerprints())
    folder = shipped_fingerprints().parent
    for _, result in read_records(folder, on_fault=pytest.fail):
        found = digests_of(result.run.method, result.code, result.environment.get("commit"))
        assert {n for n, code in found.items() if code not in history[n][-1]} == set(), result.run.id
