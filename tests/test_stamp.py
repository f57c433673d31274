"""What a record says of where its numbers were made: its units tell, whoever gathers them."""

import json
from dataclasses import replace

import pytest

from conftest import status_of
from cpbench.benchmark.checks.regression import judge
from cpbench.benchmark.records.reading import read_records
from cpbench.benchmark.records.stamp import MADE_ON, numerics
from cpbench.reports.site.run import conditions_of
from synthetic import entry


@pytest.fixture
def again(tmp_path, suite_file):
    """Gathers a record of one run, whose units are done by the first call."""

    def run(name):
        assert status_of("run", "--methods", "base", "--suite", suite_file, "--out", tmp_path / name) == 0
        ((_, record),) = read_records(tmp_path / name, on_fault=pytest.fail)
        return record

    return run


def change(home, made_on):
    """Let one unit say that it was made elsewhere, or (None) nothing of it, as before units said so."""
    file = sorted((home / "units").glob("*/unit.json"))[0]
    meta = json.loads(file.read_text())
    del meta["digest"]
    here = meta["inputs"].pop(MADE_ON)
    if made_on is not None:
        meta["inputs"][MADE_ON] = here | made_on
    file.write_text(json.dumps(meta))
    return here


def test_every_unit_tells_the_numerics_of_the_process_that_made_it(tmp_path, again):
    record = again("out")
    units = [json.loads(f.read_text()) for f in (tmp_path / "home" / "units").glob("*/unit.json")]
    assert units and all(u["inputs"][MADE_ON] == numerics(record.environment) for u in units)
    assert MADE_ON not in record.environment


def test_a_record_with_a_unit_of_another_machine_says_so_and_need_not_be_equal_to_the_last_bit(tmp_path, again):
    plain = again("out")
    here = change(tmp_path / "home", {"device": "another processor"})
    mixed = again("mixed")
    assert sorted(m["device"] for m in mixed.environment[MADE_ON]) == sorted(["another processor", here["device"]])
    assert numerics(mixed.environment) != numerics(plain.environment)
    (of_mixed,), (of_plain,) = judge([plain], [again("mixed")], [plain]), judge([plain], [plain], [plain])
    assert (of_mixed.exact, of_plain.exact) == (False, True)


def test_a_unit_that_says_nothing_of_its_machine_is_not_taken_for_one_of_this(tmp_path, again):
    again("out")
    change(tmp_path / "home", None)
    assert {} in again("older").environment[MADE_ON]


def test_two_records_of_the_same_several_machines_need_not_be_equal_to_the_last_bit(tmp_path, again):
    """Which unit was made where differs from run to run; where all were made on one other machine, it does not."""
    plain = again("out")
    change(tmp_path / "home", {"device": "another processor"})
    mixed = again("mixed")
    assert not judge([mixed], [mixed], [mixed])[0].exact
    one = mixed.model_copy(update={"environment": mixed.environment | {MADE_ON: [numerics(plain.environment)]}})
    assert judge([one], [one], [one])[0].exact
    untold = one.model_copy(update={"environment": mixed.environment | {MADE_ON: [{}]}})
    assert not judge([untold], [untold], [untold])[0].exact


def test_a_unit_whose_own_record_was_changed_is_done_again(tmp_path, again, capsys):
    before = again("out")
    file = next((tmp_path / "home" / "units").glob("*/scores.json")).with_name("unit.json")
    text = file.read_text()
    file.write_text(text.replace('"threads": 1', '"threads": 9'))
    assert file.read_text() != text
    assert again("again").scores == before.scores
    assert "unit.json does not match its checksum" in capsys.readouterr().err


def test_the_page_of_a_run_tells_what_its_machines_differ_in():
    here = {"torch": "2.9", "device": "a processor", "threads": 1}
    facts = dict(
        conditions_of(replace(entry(), environment={MADE_ON: [here, here | {"device": "a GPU"}, {}], "threads": 1}))
    )
    assert facts["units made on"] == "device a processor; device a GPU; not recorded"
    alone = dict(conditions_of(replace(entry(), environment={MADE_ON: [here]})))
    assert alone["units made on"] == "torch 2.9, device a processor, threads 1"
    assert facts["threads"] == "1"
