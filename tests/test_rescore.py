"""``cpbench score``: other profiles and metrics for kept pictures, and nothing trained."""

import shutil
from dataclasses import replace

import pytest

from conftest import outcome_of, status_of, write_suite
from cpbench.benchmark.records.reading import read_records
from cpbench.benchmark.scoring import metrics as cell
from cpbench.benchmark.scoring import profiles
from cpbench.benchmark.scoring.metrics import Metric

PLAIN = replace(
    profiles.PROFILES["toybox"], name="plain", metrics=("mmd", "image_align@toybox-clip"), autoencoded=False
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with the records of a finished run, and its store."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CPBENCH_HOME", str(folder / "home"))
        run = ("--methods", "base,lora", "--suite", write_suite(folder), "--out", folder / "out", "--threads", 1)
        assert status_of("run", *run) == 0
    return folder


@pytest.fixture
def ran(finished, tmp_path, monkeypatch):
    """The folder of the records of a finished run; the store lies beside it. Both are copies."""
    monkeypatch.setitem(profiles.PROFILES, "plain", PLAIN)
    for part in ("home", "out"):
        shutil.copytree(finished / part, tmp_path / part)
    return tmp_path / "out"


def score(capsys, suite_file, results, *more):
    return outcome_of(capsys, "score", *more, "--suite", suite_file, "--results", results, "--threads", 1)


def records(folder):
    return {(r.run.method, r.run.profile): r for _, r in read_records(folder, on_fault=pytest.fail)}


def test_another_profile_gives_records_beside_the_old_and_trains_nothing(capsys, suite_file, ran):
    before = records(ran)
    status, out, err = score(capsys, suite_file, ran, "--profile", "plain")
    assert (status, err) == (0, "")
    assert "learn " not in out.partition("tiny-2,")[0] and "draw " not in out.partition("tiny-2,")[0], (
        "nothing is trained"
    )
    after = records(ran)
    assert set(after) == {(m, p) for m in ("base", "lora") for p in ("toybox", "plain")}
    assert all(after[key] == before[key] for key in before)
    new = after["lora", "plain"]
    assert {s.metric for s in new.scores} == {"mmd", "image_align@toybox-clip"}
    assert new.cost == before["lora", "toybox"].cost and set(new.run.extractors) == {"effnet-lite0", "toybox-clip"}


def test_one_more_metric_is_added_to_the_record_and_survives_a_run_without_it(capsys, suite_file, ran, monkeypatch):
    before = records(ran)["lora", "toybox"]
    red = Metric("red", True, lambda seen, profile: seen.pictures[..., 0].mean(axis=(1, 2)) / 255, "how red")
    monkeypatch.setitem(cell.METRICS, "red", red)
    assert score(capsys, suite_file, ran, before.run.id[:6], "--metrics", "red")[0] == 0
    after = records(ran)["lora", "toybox"]
    assert [s for s in after.scores if s.metric != "red"] == before.scores
    assert {(s.i, s.j) for s in after.scores if s.metric == "red"} >= {(1, 1), (2, 1), (2, 2)}
    run = ("run", "--methods", "lora", "--suite", suite_file, "--out", ran, "--threads", 1)
    assert outcome_of(capsys, *run)[0] == 0
    assert records(ran)["lora", "toybox"].scores == after.scores


@pytest.mark.parametrize("bad", [lambda seen, profile: 1 / 0, lambda seen, profile: float("inf")])
def test_a_broken_metric_replaces_no_record_and_the_error_names_the_one_that_is_kept(
    capsys, suite_file, ran, monkeypatch, bad
):
    before = {p: p.read_bytes() for p, _ in read_records(ran, on_fault=pytest.fail)}
    monkeypatch.setitem(cell.METRICS, "broken", Metric("broken", True, bad, "what fails"))
    status, _, err = score(capsys, suite_file, ran, "--metrics", "broken")
    assert status == 1 and "2 of 2 runs failed" in err and any(f"kept: {path}" in err for path in before)
    assert {p: p.read_bytes() for p, _ in read_records(ran, on_fault=pytest.fail)} == before


def test_rows_of_other_pictures_are_not_taken_over_into_a_new_record(capsys, suite_file, ran):
    path, before = next((p, r) for p, r in read_records(ran, on_fault=pytest.fail) if r.run.method == "lora")
    strange = before.scores[0].model_copy(update={"metric": "red"})
    for units in (before.units, before.units | {"draw/1/1": "other"}):
        old = before.model_copy(update={"scores": [*before.scores, strange], "units": units})
        path.write_text(old.model_dump_json(by_alias=True))
        run = ("run", "--methods", "lora", "--suite", suite_file, "--out", ran, "--threads", 1)
        assert outcome_of(capsys, *run)[0] == 0
        kept = any(s.metric == "red" for s in records(ran)["lora", "toybox"].scores)
        assert kept is (units == before.units)


def test_scores_do_not_depend_on_what_was_scored_before_in_which_order_or_anew(capsys, suite_file, ran, tmp_path):
    texts = {p.name: p.read_text() for p, _ in read_records(ran, on_fault=pytest.fail)}
    for folder in (tmp_path / "home" / "features", *_measured(tmp_path / "home" / "units")):
        shutil.rmtree(folder)
    ids = sorted(r.run.id for r in records(ran).values())
    for one in ids[::-1]:
        assert score(capsys, suite_file, ran, one, "--out", tmp_path / "anew")[0] == 0
    for path, result in read_records(tmp_path / "anew", on_fault=pytest.fail):
        old = type(result).model_validate_json(texts[path.name])
        assert old.scores == result.scores and old.run == result.run


def _measured(units):
    return [f.parent for f in units.glob("*/scores.json")]


def test_a_run_whose_pictures_are_gone_is_told_by_its_name(capsys, suite_file, ran, tmp_path):
    shutil.rmtree(tmp_path / "home" / "units")
    status, _, err = score(capsys, suite_file, ran, "--profile", "plain")
    assert status == 2 and "state after task 1" in err and "cpbench run" in err


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--profile", "plian"), "did you mean plain"),
        (("--metrics", "mdm"), "unknown metric 'mdm'"),
        (("zzz",), "begins with 'zzz'"),
        (("--profile", "dreambooth"), "'hf download timm/vit_small_patch16_224.dino model.safetensors'"),
    ],
)
def test_bad_input_is_one_sentence(capsys, suite_file, ran, monkeypatch, tmp_path, more, says):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    status, _, err = score(capsys, suite_file, ran, *more)
    assert status == 2 and says in err and err.count("\n") == 1


def test_without_records_it_says_so(capsys, suite_file, tmp_path):
    status, _, err = score(capsys, suite_file, tmp_path)
    assert status == 2 and "holds no records" in err
