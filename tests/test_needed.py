"""Tests that need a program are never left out silently in CI."""

import pytest
from needed import program


def test_without_a_program_a_test_is_skipped_on_a_desk(monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install nowhere"):
        program("no-such-program", package="nowhere")


def test_without_a_program_a_test_fails_in_ci(monkeypatch):
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no-such-program is not there"):
        program("no-such-program", package="nowhere")


def test_a_program_that_is_there_is_found_by_any_of_its_names():
    assert program("no-such-program", "sh", package="dash").endswith("sh")
