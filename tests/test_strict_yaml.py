"""The one YAML loader: the core schema of YAML 1.2, and one sentence with line and column for everything else."""

import os
import string
import time

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.suite.strict_yaml import MOST_BYTES, MOST_LEVELS, parse_yaml, read_yaml


def read(text: str):
    return parse_yaml(text, "f.yaml").content


MEANINGS = {
    "yes": "yes",
    "NO": "NO",
    "on": "on",
    "1:30": "1:30",
    "2026-01-31": "2026-01-31",
    "2026-99-99": "2026-99-99",
    "1_000": "1_000",
    "=": "=",
    "true": True,
    "False": False,
    "~": None,
    "": None,
    "null": None,
    "-0": 0,
    "+5": 5,
    "0o17": 15,
    "0x1f": 31,
    "1e3": 1000.0,
    ".5": 0.5,
    "1.": 1.0,
    "-.inf": -float("inf"),
    "'010'": "010",
    '"\\t"': "\t",
    '"\\ud83d\\ude00"': "😀",
}


@pytest.mark.parametrize("text", MEANINGS)
def test_a_value_has_the_meaning_of_the_core_schema(text):
    assert read(f"a: {text}") == {"a": MEANINGS[text]}
    assert type(read(f"a: {text}")["a"]) is type(MEANINGS[text])


REFUSED = {
    "a key twice": ("a: 1\nb: 2\na: 3", r"line 3, column 1: 'a' is there twice, first on line 1"),
    "a key twice in brackets": ("x: {a: 1, a: 1}", "line 1, column 11: 'a' is there twice"),
    "a key twice in other quotes": ("a: 1\n'a': 2", "'a' is there twice"),
    "a leading zero": ("a: 010", "line 1, column 4: 010 begins with 0; write 10, or '010' in quotes"),
    "an anchor": ("a: &x 1", "an anchor"),
    "an anchor of a key": ("&x a: 1", "must be text"),
    "an alias": ("a: *x", "an anchor"),
    "a merge": ("<<: {a: 1}", "a merge"),
    "a tag": ("a: !!str 1", "line 1, column 4: the tag tag:yaml.org,2002:str"),
    "a dangerous tag": ("a: !!python/object/apply:os.system [x]", "the tag"),
    "the tag of no meaning": ("a: ! x", "the tag !"),
    "two documents": ("a: 1\n---\nb: 2", "line 2, column 1: a second document"),
    "a number as a key": ("1: a", "must be text"),
    "nothing as a key": ("? \n: a", "must be text"),
    "a list as a key": ("? [a]\n: 1", "must be text"),
    "a tab": ("a:\n\tb: 1", "line 2, column 1: a tab; indent with spaces"),
    "open quotes": ("a: 'b", "not closed"),
    "an open bracket": ("a: [b", "not closed"),
    "an escape of no character": ('a: "\\UFFFFFFFF"', "an escape of no character"),
    "half a character": ('a: "\\ud800"', "half a character"),
    "a control character": ("a: \a", r"line 1, column 4: the character U\+0007"),
    "NUL": ("a: 1\nb: \0", r"line 2, column 4: the character U\+0000"),
    "a long number": ("a: " + "9" * 5000, "a number of 5,000 characters"),
    "a directive of tags": ("%TAG ! x\n---\na: 1", "%TAG"),
    "another version": ("%YAML 3.0\n---\na: 1", "another version"),
    "a version of thousands of digits": ("%YAML " + "9" * 5000 + ".1\n---\na: 1", "not YAML"),
    "deep brackets": ("[" * 100_000, f"more than {MOST_LEVELS} levels"),
    "deep lists": ("- " * 100_000, f"more than {MOST_LEVELS} levels"),
    "many values": ("[" + "1," * 400_000 + "]", "more than 20,000 values"),
    "a colon in a text": ("a: b: c", "line 1, column 5: a colon"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_has_no_one_meaning_is_refused_with_its_place(kind):
    text, sentence = REFUSED[kind]
    start = time.process_time()
    with pytest.raises(BadInput, match=sentence) as caught:
        read(text)
    assert str(caught.value).startswith("f.yaml, line ") and str(caught.value).isprintable()
    assert len(str(caught.value)) < 300 and time.process_time() - start < 5


PLAIN = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=20)
DATA = st.recursive(
    PLAIN | TEXTS, lambda d: st.lists(d, max_size=4) | st.dictionaries(TEXTS, d, max_size=4), max_leaves=9
)


@settings(max_examples=150)
@given(DATA)
def test_what_was_written_with_texts_in_quotes_is_read_back(data):
    class Quoting(yaml.SafeDumper):
        def ignore_aliases(self, _):
            return True

    Quoting.add_representer(str, lambda d, text: d.represent_scalar("tag:yaml.org,2002:str", text, style='"'))
    assert read(yaml.dump(data, Dumper=Quoting, allow_unicode=True)) == data


PIECES = [*"\n \t-:?[]{}&*!|>'\"%#@`,~<=01.eEx_+\\ua", "---", "...", "<<", "é", "\ufeff", "\0", "😀"]
YAMLISH = st.lists(st.sampled_from(PIECES)).map("".join)


@settings(max_examples=500)
@given(YAMLISH | st.text(st.sampled_from(string.printable)))
def test_any_text_is_read_or_refused_in_a_sentence(text):
    try:
        read(text)
    except BadInput as error:
        assert str(error).isprintable() and str(error).endswith(".")


@settings(max_examples=100)
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_in_a_sentence(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("y") / "f.yaml"
    path.write_bytes(data)
    try:
        read_yaml(path)
    except BadInput as error:
        assert "f.yaml" in str(error) and str(error).isprintable()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_utf_8_and_utf_16_with_its_mark_are_read(tmp_path, encoding):
    (tmp_path / "f.yaml").write_bytes("a: é\r\n".encode(encoding))
    assert read_yaml(tmp_path / "f.yaml").content == {"a": "é"}


def test_another_encoding_is_refused_with_its_line(tmp_path):
    (tmp_path / "f.yaml").write_bytes("a: 1\nb: é".encode("latin-1"))
    with pytest.raises(BadInput, match=r"f\.yaml, line 2: not text in UTF-8; save"):
        read_yaml(tmp_path / "f.yaml")


def test_what_is_no_file_is_refused_without_waiting(tmp_path):
    (tmp_path / "folder.yaml").mkdir()
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    (tmp_path / "large.yaml").write_bytes(b"#" * (MOST_BYTES + 1))
    for name, sentence in {
        "folder.yaml": "a folder",
        "pipe.yaml": "not a file",
        "zero.yaml": "not a file",
        "large.yaml": "larger than 1,000,000 bytes",
        "absent.yaml": "cannot be read",
        "x" * 5000: "cannot be read",
        "a\0b": "not a path",
    }.items():
        with pytest.raises(BadInput, match=sentence):
            read_yaml(tmp_path / name)


def test_the_line_of_every_part_is_known():
    document = parse_yaml("a: 1\nb:\n  - c: 2\n  - d: [3,\n      4]\n", "f.yaml")
    places = {("a",): 1, ("b",): 2, ("b", 0, "c"): 3, ("b", 1): 4, ("b", 1, "d", 1): 5, ("b", 1, "e"): 4, (): None}
    assert {path: document.line(path) for path in places} == places
