"""New pictures of a trained state, and what a run's suite is known by after it."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from test_export import runs

import cpbench
from conftest import status_of
from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.protocol import Subject
from cpbench.benchmark.storage.suites import kept_suite
from cpbench.benchmark.verbs.sample import parsed

KNOWN = {"my-cat": Subject("my-cat", "cat"), "rex": Subject("rex", "robot dog")}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with runs of three methods on a suite that is no longer there."""
    top = tmp_path_factory.mktemp("sample")
    with pytest.MonkeyPatch.context() as patch:
        records = runs(top, patch, ["base", "ti", "lora"], "tiny")
        (top / "two.yaml").unlink()
        yield top, records


@pytest.fixture(autouse=True)
def _there(made, monkeypatch):
    monkeypatch.setenv("CPBENCH_HOME", str(made[0] / "home"))
    monkeypatch.chdir(made[0])


def drawn(records, name, prompt="photo of a <mallow>", **more):
    (found,) = cpbench.sample(records[name].run.id[:6], prompt, pictures=2, device="cpu", **more)
    return found.pictures.astype(int)


def test_a_concept_is_named_as_the_method_names_it_and_its_noun_is_not_doubled(made):
    _, records = made
    run = records["lora"].run.id
    short, long = cpbench.sample(run, ["photo of a <mallow>", "photo of a <mallow> cat"], pictures=2, device="cpu")
    assert short.prompt == long.prompt == "photo of a <mallow> cat"
    assert np.array_equal(short.pictures, long.pictures) and short.pictures.shape == (2, 64, 64, 3)
    (later,) = cpbench.sample(run, "photo of a <mallow>", pictures=1, seed=1, device="cpu")
    assert np.abs(later.pictures[0].astype(int) - short.pictures[1]).max() <= 1, "number k has the seed k"


def test_strength_and_task_decide_how_much_of_the_change_is_there(made):
    _, records = made
    base, whole, half = drawn(records, "lora", task=0), drawn(records, "lora"), drawn(records, "lora", strength=0.5)
    assert np.array_equal(base, drawn(records, "base", "photo of a <mallow>"))
    assert np.abs(half - whole).mean() > 1 and np.abs(drawn(records, "lora", task=1) - whole).mean() > 1
    plain = "photo of a dog"  # no token: without the change of weights it is the base model
    assert np.array_equal(drawn(records, "lora", plain, strength=0.0), drawn(records, "lora", plain, task=0))


def test_what_cannot_be_drawn_is_refused_with_a_sentence(made, tmp_path):
    _, records = made
    for name, more, words in (
        ("ti", {"strength": 0.5}, "changes no weights"),
        ("lora", {"task": 3}, "--task 3: give a whole number from 0 to 2"),
        ("lora", {"prompt": "a <mallo>"}, "did you mean mallow"),
        ("lora", {"prompt": "a very " * 40 + "<mallow>"}, "longer than"),
    ):
        with pytest.raises(BadInput, match=words):
            drawn(records, name, **more)
    with pytest.raises(BadInput, match="no runs in"):
        cpbench.sample("zzzz", "a cat", results="runs")


def test_a_state_that_is_not_in_the_store_is_refused_with_the_way_to_it(made, tmp_path, monkeypatch):
    _, records = made
    other = tmp_path / "home"
    (other / "suites").mkdir(parents=True)
    kept = made[0] / "home" / "suites" / f"{records['lora'].run.suite_hash}.json"
    (other / "suites" / kept.name).write_bytes(kept.read_bytes())
    monkeypatch.setenv("CPBENCH_HOME", str(other))
    for verb in (lambda: drawn(records, "lora"), lambda: cpbench.export(records["lora"].run.id, out=tmp_path / "x")):
        with pytest.raises(BadInput, match="cpbench run --methods lora"):
            verb()
    assert not (tmp_path / "x").exists()


def test_the_command_writes_one_sheet_and_refuses_other_endings(made, capfd):
    _, records = made
    run = records["lora"].run.id
    prompts = "photo of a <mallow>", "a <rumble> at night"
    assert status_of("sample", run, *prompts, "--pictures", 3, "--out", "own/sheet.png", "--device", "cpu") == 0
    assert "6 pictures in own/sheet.png" in capfd.readouterr().out
    with Image.open("own/sheet.png") as sheet:
        assert sheet.width >= 3 * 128 and sheet.height >= 2 * 128
    assert status_of("sample", run, "a cat", "--out", "sheet.txt") == 2
    assert "ends in .png" in capfd.readouterr().err


def test_scores_need_no_suite_file_after_a_run(made, tmp_path, monkeypatch):
    _, records = made
    suite = kept_suite(made[0] / "home", records["lora"].run.suite_hash)
    assert suite.name == "two" and suite.hash == records["lora"].run.suite_hash
    again = cpbench.score([records["lora"].run.id], metrics="kid", results="runs", out="scored", device="cpu", jobs=1)
    assert "kid" in set(again.scores["metric"])
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / f"{suite.hash}.json").write_text("{")
    assert kept_suite(tmp_path, suite.hash) is None
    monkeypatch.setenv("CPBENCH_HOME", str(tmp_path))
    with pytest.raises(BadInput, match="name it with --suite"):
        cpbench.export(records["lora"].run.id)


def test_an_export_never_writes_over_something_and_is_there_whole_or_not_at_all(made, monkeypatch):
    _, records = made
    run = records["lora"].run.id
    cpbench.export(run, out="twice")
    with pytest.raises(BadInput, match="twice exists"):
        cpbench.export(run, out="twice")

    def broken(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cpbench.benchmark.verbs.export.card", broken)
    with pytest.raises(OSError, match="No space"):
        cpbench.export(run, out="third")
    assert not list(made[0].glob("third*"))


def test_a_cut_change_says_how_wrong_it_is(made):
    _, records = made
    errors = [cpbench.export(records["lora"].run.id, rank=r, out=f"rank{r}").what.error for r in (1, 3, 6)]
    assert errors[0] > errors[1] > 0.01 and errors[2] == 0
    text = (made[0] / "rank1" / "README.md").read_text()
    assert f"cut to rank 1; the largest relative error of a layer is {errors[0]:.2g}" in text


PARTS = ("<my-cat>", "<rex>", " cat", " robot dog", "a ", "{}", "{", "}}", " in", "dogs")


@given(st.lists(st.sampled_from(PARTS), max_size=8))
def test_any_prompt_keeps_its_words_and_names_each_concept_once_with_its_noun(parts):
    text = "".join(parts)
    found = parsed(text, KNOWN)
    assert [s.name for s in found.subjects] == [p.strip("<>") for p in parts if p.startswith("<")]
    expected = re.sub(r"<my-cat>( cat\b)?", "<my-cat> cat", text)
    expected = re.sub(r"<rex>( robot dog\b)?", "<rex> robot dog", expected)
    assert found.render(lambda s: f"<{s.name}> {s.noun}") == expected
