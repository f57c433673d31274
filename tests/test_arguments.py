"""Numbers that no run can use are refused in one sentence, before anything is loaded."""

import math

import pytest

from conftest import status_of
from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.run.executors import Placement

RUN = ("run", "--methods", "lora", "--suite")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--max-hours", "nan"), "--max-hours nan: give a number above 0."),
        (("--max-hours", "-1"), "--max-hours -1.0: give a number above 0."),
        (("--orders=--2",), "--orders --2: no concept '--2'"),
        (("--orders", "9" * 5000), "…: 2 concepts have 2 orders; give a number from 1 to 2."),
        (("--lengths", "9" * 5000), "from 1 to 2"),
        (("--threads", 100_000), "--threads 100000: give a whole number from 1 to "),
        (("--threads", 0), "--threads 0: give a whole number from 1 to "),
        (("--device", "cpu:x"), "--device cpu:x: not available"),
        (("--device", "cpu:"), "--device cpu:: not available"),
        (("--jobs", 0), "--jobs 0: give a whole number from 1 to 4,096, or 'auto'."),
        (("--jobs", 2, "--executor", "ray"), "--jobs 2: only for --executor local"),
    ],
)
def test_a_number_that_cannot_be_meant_is_refused(more, message, suite_file, tmp_path, capsys):
    assert status_of(*RUN, suite_file, "--out", tmp_path / "out", *more) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1


@pytest.mark.parametrize("jobs", [0, -3])
def test_no_command_can_ask_for_no_process_at_all(jobs):
    with pytest.raises(BadInput, match="give a whole number from 1"):
        Placement(jobs=jobs)


def test_no_time_limit_is_a_time_limit_too(suite_file, tmp_path):
    assert status_of(*RUN, suite_file, "--out", tmp_path / "out", "--max-hours", math.inf, "--dry-run") == 0
