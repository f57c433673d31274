"""Suites: what is accepted, what is refused, and how orders are drawn."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

from conftest import TINY, write_suite
from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.suite.concepts import check_suite, training_pictures
from cpbench.benchmark.suite.spec import load_suite, suite_names


@pytest.mark.parametrize("name", [name for name in suite_names() if name.startswith("toybox")])
def test_every_shipped_suite_loads_and_draws_its_pictures(name):
    suite = load_suite(name)
    assert suite.name == name
    assert training_pictures(suite, suite.concepts[0]).shape == (5, 64, 64, 3)


TUNING = [name for name in suite_names() if name.startswith("toybox-tune")]


@pytest.mark.parametrize("tuned", TUNING)
def test_a_tuning_suite_shares_no_concept_with_any_other_suite(tuned):
    tuning = load_suite(tuned).concepts
    assert all(c.name.startswith("tune-") for c in tuning)
    for name in set(suite_names()) - {tuned}:
        others = load_suite(name).concepts
        assert {c.toybox for c in tuning}.isdisjoint(c.toybox for c in others)
        assert {c.name for c in tuning}.isdisjoint(c.name for c in others)


def test_there_is_a_tuning_suite_of_distinct_classes_and_one_of_a_single_class():
    classes = {name: {c.noun for c in load_suite(name).concepts} for name in TUNING}
    assert {name: len(nouns) for name, nouns in classes.items()} == {"toybox-tune": 6, "toybox-tune-similar": 1}


def test_in_the_mixed_suite_no_two_neighbours_are_of_one_class():
    nouns = [c.noun for c in load_suite("toybox-mixed").concepts]
    assert sorted(nouns) == 3 * ["cat"] + 3 * ["robot"]
    assert all(a != b for a, b in pairwise(nouns))


def test_a_suite_with_a_missing_field_is_refused_with_its_name(tmp_path):
    with pytest.raises(BadInput, match=r"tiny\.yaml: field 'prompts' is missing"):
        load_suite(str(write_suite(tmp_path, prompts=None)))


def test_a_prompt_without_the_placeholder_is_refused_with_the_prompt(tmp_path):
    prompts = {"train": "photo of a cat", "evaluation": ["photo of a {}"]}
    with pytest.raises(BadInput, match=r"'photo of a cat' .*\{\} exactly once"):
        load_suite(str(write_suite(tmp_path, prompts=prompts)))


@pytest.mark.parametrize("folder", ["/etc", "../elsewhere", "a/../../b"])
def test_a_folder_outside_the_spec_is_refused(tmp_path, folder):
    concepts = [{"name": "rex", "noun": "dog", "folder": folder}]
    with pytest.raises(BadInput, match=rf"folder '{re.escape(folder)}' must be a relative path"):
        load_suite(str(write_suite(tmp_path, concepts=concepts)))


def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path):
    (tmp_path / "rex").symlink_to("/etc")
    suite = load_suite(str(write_suite(tmp_path, concepts=[{"name": "rex", "noun": "dog", "folder": "rex"}])))
    with pytest.raises(BadInput, match=r"rex.*link.*put a copy in its place"):
        check_suite(suite)


def folder_suite(tmp_path: Path):
    (tmp_path / "rex").mkdir()
    return load_suite(str(write_suite(tmp_path, concepts=[{"name": "rex", "noun": "dog", "folder": "rex"}])))


def test_an_empty_concept_folder_is_refused(tmp_path):
    suite = folder_suite(tmp_path)
    with pytest.raises(BadInput, match=r"'rex'.*no pictures.*\.png"):
        check_suite(suite)


def test_an_unreadable_picture_is_refused_with_its_name(tmp_path):
    suite = folder_suite(tmp_path)
    (tmp_path / "rex" / "a.png").write_text("no picture")
    with pytest.raises(BadInput, match=r"a\.png: .*picture.*replace or remove"):
        check_suite(suite)


def test_an_unknown_suite_names_the_nearest_one():
    with pytest.raises(BadInput, match="did you mean toybox-6"):
        load_suite("toybx-6")


def test_the_hash_ignores_the_title_and_nothing_else(tmp_path, suite):
    assert load_suite(str(write_suite(tmp_path, title="Another."))).hash == suite.hash
    training = TINY["training"] | {"steps": 4}
    assert load_suite(str(write_suite(tmp_path, training=training))).hash != suite.hash
