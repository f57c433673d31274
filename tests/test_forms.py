"""The form of every field of a suite: names that are safe as paths, texts that print, numbers in their ranges."""

import copy
import json
import string
import unicodedata
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from conftest import TINY, outcome_of, write_suite
from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.names import concept_fault, folder_fault, noun_fault
from cpbench.benchmark.records.folders import check_own_folder
from cpbench.benchmark.records.reading import examine, read_records
from cpbench.benchmark.records.result import write_result
from cpbench.benchmark.run.vocabulary import check_words
from cpbench.benchmark.suite.concepts import check_suite
from cpbench.benchmark.suite.spec import Suite, load_suite
from cpbench.reports.files import slug_of
from synthetic import record

DRAWN = settings(max_examples=200)
HOSTILE = st.text(st.sampled_from([*"/\\.:-~ <>|?*{}[]\n\t\0\x1b\u202e\u0301éÉaA9$"]), max_size=12)
NAMES = st.text(max_size=80) | HOSTILE | st.sampled_from(["..", "CON", "aux.x", "Superseded", "猫" * 50, "x" * 300, ""])


def mutated(*path, value):
    """The tiny suite with one field replaced."""
    content = at = copy.deepcopy(TINY)
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = value
    return content


def load(folder: Path, content: object) -> Suite:
    (folder / "s.yaml").write_text(json.dumps(content).replace("\x7f", "\\u007f"))
    return load_suite(str(folder / "s.yaml"))


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    return tmp_path_factory.mktemp("forms")


@DRAWN
@given(NAMES)
@example("a/b")
@example("..")
@example("a\0b")
def test_a_suite_has_a_name_whose_records_are_below_the_folder_and_found_again_or_is_refused(where, name):
    try:
        suite = load(where, TINY | {"name": name})
    except BadInput as error:
        assert str(error).isprintable() and "s.yaml, line 1: name: " in str(error)
        assert "/" not in name or name not in [path.name for path in where.iterdir()]
        return
    result = record("lora", suite=suite.name)
    out = where / "out"
    path = write_result(out, result)
    found = [r for _, r in read_records(out, on_fault=lambda text: None) if r.run == result.run]
    path.unlink()
    assert found == [result] and path.parent.parent.parent == out and path.resolve().is_relative_to(out.resolve())


@DRAWN
@given(NAMES)
def test_a_record_of_a_suite_method_or_concept_of_another_form_is_refused(where, name):
    if folder_fault(name):
        for change in ({"suite": name}, {"method": name}):
            content = json.loads(record("lora").model_dump_json(by_alias=True))
            content["run"] |= change
            (where / "r.json").write_text(json.dumps(content))
            assert examine(where / "r.json").result is None
    if concept_fault(name):
        content = json.loads(record("lora").model_dump_json(by_alias=True))
        content["run"]["order"][0] = name
        (where / "r.json").write_text(json.dumps(content))
        assert examine(where / "r.json").result is None


@pytest.mark.parametrize("name", ["tiny-2", "My Pets_2.1", "Größe", "猫と犬", "a+b (new)", "2026-01-31", "x" * 64])
def test_a_name_that_any_system_takes_for_a_folder_is_accepted(where, name):
    assert load(where, TINY | {"name": name}).name == name


@DRAWN
@given(st.text(string.ascii_lowercase + string.digits + "-", max_size=70), st.text(string.ascii_lowercase + "-9"))
def test_names_of_concepts_that_are_accepted_make_slugs_and_tokens_of_their_own(one, other):
    for name in (one, other):
        if concept_fault(name) is None:
            assert slug_of(name) == name and unicodedata.normalize("NFKC", name.casefold()) == name
            assert f"<{name}>".isprintable() and "+" not in name and name != "prior"


@DRAWN
@given(NAMES)
def test_a_noun_is_a_printable_part_of_a_prompt_or_is_refused(where, noun):
    concepts = [{"name": "rex", "noun": noun, "folder": "rex"}]
    if noun_fault(noun):
        with pytest.raises(BadInput, match=r"line 1: concepts\[0\]\.noun: "):
            load(where, TINY | {"concepts": concepts})
    else:
        suite = load(where, TINY | {"concepts": concepts})
        assert suite.prompts.train.format(suite.concepts[0].noun).isprintable() and noun.strip()


NUMBERS = [
    *(("training", field) for field in TINY["training"]),
    *(("sampling", field) for field in ("steps", "guidance", "batch", "size")),
    *(("evaluation", field) for field in ("per_prompt", "per_pair", "references", "distractors")),
    ("version",),
    ("concepts", 0, "toybox"),
]


@pytest.mark.parametrize("path", NUMBERS)
@pytest.mark.parametrize("value", [True, "3", -1, -0.5, 1e9, 10**30, "1:30", [3]])
def test_a_number_outside_its_range_and_what_is_no_number_is_refused_with_the_range(where, path, value):
    with pytest.raises(BadInput, match=rf"{path[-1]}: .* is not allowed; give a (whole )?number from \d+ to [\d,]+\."):
        load(where, mutated(*path, value=value))


@pytest.mark.parametrize("value", [".nan", ".inf", "-.inf", "1e400"])
def test_a_number_that_is_not_finite_is_refused(where, value):
    text = yaml.safe_dump(TINY).replace("guidance: 2.0", f"guidance: {value}")
    (where / "s.yaml").write_text(text)
    with pytest.raises(BadInput, match=r"s\.yaml, line \d+: sampling.guidance: .* is not allowed; .* from 1 to 100"):
        load_suite(str(where / "s.yaml"))


CAT, OTHER = {"name": "a", "noun": "cat"}, {"name": "b", "noun": "cat"}
TWICE = {
    "one noun and seed": (("concepts",), [CAT | {"toybox": 5}, OTHER | {"toybox": 5}], "'a' and 'b' are the same"),
    "one folder": (("concepts",), [CAT | {"folder": "x"}, OTHER | {"folder": "./x/"}], "'a' and 'b' are the same"),
    "one name": (("concepts",), [CAT | {"toybox": 5}, CAT | {"toybox": 6}], "'a' is there twice"),
    "its own look-alike": (("concepts", 0, "toybox"), 900_001, "from 0 to 899,999"),
    "one prompt": (("prompts", "evaluation"), ["a {}", "a {}"], "'a {}' is twice in evaluation"),
    "one prompt but for spaces": (("prompts", "evaluation"), ["a {}", " a   {}"], "is twice in evaluation"),
    "one prompt but for a capital": (("prompts", "prior"), ["A cup", "a cup"], "'a cup' is twice in prior"),
    "one pair": (("prompts", "pairs"), ["{} and {}", "{} and {}"], "is twice in pairs"),
    "a token in a prompt": (("prompts", "train"), "a {} <mallow>", "has the token <mallow>"),
}


@pytest.mark.parametrize("kind", TWICE)
def test_what_is_there_twice_is_refused(where, kind):
    path, value, sentence = TWICE[kind]
    with pytest.raises(BadInput, match=sentence):
        load(where, mutated(*path, value=value))


def test_one_folder_under_two_names_is_refused(tmp_path):
    (tmp_path / "cat").mkdir()
    (tmp_path / "same").symlink_to("cat")
    for k in range(3):
        Image.effect_noise((64, 64), 40 + 30 * k).convert("RGB").save(tmp_path / "cat" / f"{k}.png")
    suite = load(tmp_path, TINY | {"concepts": [CAT | {"folder": "cat"}, OTHER | {"folder": "same"}]})
    with pytest.raises(BadInput, match=r"'a' and 'b' have the same folder \(cat and same\); remove one"):
        check_suite(suite)


SENTENCES = {
    "an unknown field": (TINY | {"promts": {}}, "field 'promts' is unknown; did you mean prompts"),
    "an unknown field inside": (mutated("training", "step", value=3), r"field 'training\.step' is unknown; .*steps"),
    "the folder of the file": (TINY | {"root": "/"}, "field 'root' is unknown"),
    "another word": (mutated("sampling", "sampler", value="euler"), r"sampler: euler is not allowed; give 'ddim' or"),
    "a number for text": (TINY | {"name": 5}, "name: 5 is not allowed; give text, e.g. in quotes: '5'"),
    "text for a list": (TINY | {"concepts": "x"}, "concepts: x is not allowed; give a list"),
    "an empty list": (TINY | {"concepts": []}, "give at least 1 entry"),
    "a number for fields": (TINY | {"training": 5}, "give the fields steps, batch, pictures"),
    "three problems": (TINY | {"name": "", "version": 0, "licence": 5}, r"name: .*\(2 more problems\.\)$"),
    "long and unprintable data": (TINY | {"training": "\x1b" * 9000}, r"training: [\\x1bu206]+ is not allowed"),
    "no fields": ([], r"not the fields of a suite \(name, version"),
    "nothing": (None, r"not the fields of a suite \(name, version"),
}


@pytest.mark.parametrize("kind", SENTENCES)
def test_a_sentence_has_the_field_and_what_is_allowed(where, kind):
    content, sentence = SENTENCES[kind]
    with pytest.raises(BadInput, match=sentence) as caught:
        load(where, content)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 500


@pytest.mark.parametrize("name", ["s.YAML", "s.Yml", "s.yml"])
def test_the_suffix_may_have_capitals(where, name):
    (where / name).write_text(json.dumps(TINY))
    assert load_suite(str(where / name)).name == "tiny-2"


@pytest.mark.parametrize("name", ["", "x" * 5000 + ".yaml", "a\0.yaml", "\ud800.yaml", "../toybox-6", "[red].yaml"])
def test_a_name_of_no_suite_is_refused_in_one_printable_sentence(name):
    with pytest.raises(BadInput, match=r"unknown suite|no such file of a suite") as caught:
        load_suite(name)
    assert str(caught.value).isprintable()


def test_a_file_with_another_suffix_is_told_its_name(where):
    (where / "suite.txt").write_text(json.dumps(TINY))
    with pytest.raises(BadInput, match=r"must end in \.yaml or \.yml"):
        load_suite(str(where / "suite.txt"))


def test_a_token_that_the_model_has_already_is_refused_before_anything_is_trained(suite, backbone):
    backbone.add_token("<mallow>", backbone.word_rows("cat"))
    with pytest.raises(BadInput, match="'mallow': the token <mallow> is already in the vocabulary of tiny; rename"):
        check_words(suite, backbone, lambda text: None)


def test_a_prompt_with_the_mark_that_ends_a_text_is_refused(where, backbone):
    suite = load(where, mutated("prompts", "prior", value=["a cup <|endoftext|> more"]))
    with pytest.raises(BadInput, match="has a mark that ends or begins a text"):
        check_words(suite, backbone, lambda text: None)


def test_a_noun_that_the_model_does_not_know_is_remarked_on_and_a_known_one_is_not(where, backbone):
    remarks = []
    concepts = [CAT | {"folder": "x"}, {"name": "b", "noun": "big teapot", "folder": "y"}]
    check_words(load(where, TINY | {"concepts": concepts}), backbone, remarks.append)
    assert [r for r in remarks if "'teapot' of the noun 'big teapot'" in r] and "'cat'" not in "".join(remarks)


def test_a_suite_whose_folder_the_system_takes_for_another_one_is_refused(tmp_path, monkeypatch):
    (tmp_path / "Tiny").mkdir()
    check_own_folder(tmp_path, "Tiny")
    check_own_folder(tmp_path, "other")
    monkeypatch.setattr(Path, "exists", lambda self: True)
    with pytest.raises(BadInput, match=r"has the folder 'Tiny', which this file system takes for .* 'tiny'; rename"):
        check_own_folder(tmp_path, "tiny")


def test_methods_orders_and_lengths_given_twice_are_run_once_with_a_warning(capsys, tmp_path):
    suite = write_suite(tmp_path)
    twice = ("--methods", "base,base", "--orders", "1,2/2,1/mallow,rumble", "--lengths", "1,1")
    status, out, err = outcome_of(capsys, "run", *twice, "--suite", suite, "--out", tmp_path / "o", "--dry-run")
    warned = " ".join(err.split())
    assert status == 0 and "2 runs (1 method" in " ".join(out.split())
    assert "base given more than once, and run once" in warned
    assert "3 orders given, 2 distinct" in warned and "a length is given more than once" in warned
