"""What a result depends on is in its key: pictures of folders, device, threads, and the order of classification."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import CODE, TINY, status_of, write_suite
from cpbench.benchmark.errors import BadInput, FailedRun
from cpbench.benchmark.hashing import picture_hash
from cpbench.benchmark.plan.planner import Planner
from cpbench.benchmark.plan.units import Classify, Measure, Real, gather
from cpbench.benchmark.scoring import metrics as cells
from cpbench.benchmark.scoring.metrics import Cell, Metric, rows
from cpbench.benchmark.scoring.profiles import load_profile
from cpbench.benchmark.suite.concepts import check_suite, unseen_pictures
from cpbench.benchmark.suite.spec import load_suite
from cpbench.methods.registry import choose

LORA = choose("lora", {})[0]


def with_folder(where: Path, n: int):
    """The tiny suite with ``n`` pictures of a third concept in a folder."""
    (where / "rex").mkdir(exist_ok=True)
    for k in range(n):
        paint(where, k, 20 * k)
    concepts = [*TINY["concepts"], {"name": "rex", "noun": "dog", "folder": "rex"}]
    return load_suite(str(write_suite(where, concepts=concepts)))


def paint(where: Path, k: int, grey: int) -> None:
    Image.new("RGB", (64, 64), (grey, grey, grey)).save(where / "rex" / f"{k}.png")


def plan(suite, **changes):
    fields = {"backbone": "tiny", "weights": "w", "device": "cpu", "dtype": "float32", "code": CODE}
    fields["extractors"] = {"e": "1"}
    planner = Planner(suite, **({"profile": load_profile("toybox")} | fields | changes))
    return planner.run(LORA, tuple(range(len(suite.concepts))), 0)


def kinds(keys, units):
    return {type(units[k]) for k in keys}


def test_another_reference_picture_in_a_folder_is_scored_anew_under_another_suite_and_trains_nothing(tmp_path):
    suite = with_folder(tmp_path, 5)
    before = plan(suite)
    paint(tmp_path, 4, 255)
    after = plan(suite)
    units, gone = gather([before]), gather([before]).keys() - gather([after]).keys()
    assert kinds(gone, units) == {Real, Measure, Classify}
    assert before.run.suite_hash != after.run.suite_hash and before.run.id != after.run.id
    assert [t.key for t in before.trains] == [t.key for t in after.trains]


def test_a_suite_without_folders_keeps_the_hash_of_its_spec(suite):
    assert plan(suite).run.suite_hash == suite.hash


@pytest.mark.parametrize("change", [{"device": "cuda"}, {"threads": 2}])
def test_what_is_computed_elsewhere_or_by_more_threads_has_other_keys_than_what_is_computed_here(suite, change):
    here, elsewhere = gather([plan(suite)]), gather([plan(suite, **change)])
    assert kinds(here.keys() & elsewhere.keys(), here) == {Real}


def test_pictures_drawn_elsewhere_can_be_scored_here(suite):
    there, here = plan(suite, device="cuda"), plan(suite, device="cuda", seen_on=("cpu", 1))
    units = gather([there])
    assert kinds(units.keys() - gather([here]).keys(), units) == {Measure}
    assert there.run.id == here.run.id


def test_the_base_model_classifies_alike_whatever_order_was_there_first(tmp_path, monkeypatch):
    concepts = [*TINY["concepts"], {"name": "petal", "noun": "flower", "toybox": 13}]
    suite = write_suite(tmp_path, concepts=concepts)

    def classified(home: str, *orders: str) -> list[dict]:
        monkeypatch.setenv("CPBENCH_HOME", str(tmp_path / home))
        for order in orders:
            out = tmp_path / home / order.replace(",", "")
            assert status_of("run", "--methods", "base", "--suite", suite, "--orders", order, "--out", out) == 0
        (path,) = out.glob("*/*/*.json")
        found = json.loads(path.read_text())["scores"]
        return [s for s in found if s["metric"].startswith("dc_")]

    alone = classified("alone", "3,1,2")
    assert alone and alone == classified("shared", "1,2,3", "3,1,2")
    assert len({s["value"] for s in alone}) > 1, "all alike would prove nothing"


def test_what_was_learned_from_is_not_held_out(tmp_path):
    suite = with_folder(tmp_path, 5)
    assert unseen_pictures(suite, suite.concepts[2])[:, 0, 0, 0].tolist() == [40, 60, 80]


def test_a_folder_without_held_out_pictures_has_no_accuracy_and_the_others_have(tmp_path):
    with_folder(tmp_path, 2)
    assert status_of("run", "--methods", "base", "--suite", tmp_path / "tiny.yaml", "--out", tmp_path / "out") == 0
    (path,) = (tmp_path / "out").glob("*/*/*.json")
    scores = [s for s in json.loads(path.read_text())["scores"] if s["metric"] == "dc_accuracy"]
    assert {s["concept"] for s in scores} == {"mallow", "rumble"}


def test_a_folder_of_one_picture_is_refused_before_anything_is_done(tmp_path):
    with pytest.raises(BadInput, match=r"'rex': rex .*1 picture.* at least 2"):
        check_suite(with_folder(tmp_path, 1))


@pytest.mark.parametrize("prompt", ["a {} in {place}", "a {0}", "a {{}}", "a {} }", "a {!r}"])
def test_a_prompt_with_another_brace_is_refused(tmp_path, prompt):
    prompts = TINY["prompts"] | {"evaluation": [prompt]}
    with pytest.raises(BadInput, match=r"exactly once and no other brace"):
        load_suite(str(write_suite(tmp_path, prompts=prompts)))


@pytest.mark.parametrize("kind", ["train", "evaluation", "pairs", "prior"])
def test_trap_12_a_prompt_that_would_be_cut_off_is_refused_before_anything_is_done(tmp_path, capsys, kind):
    marks = {"pairs": "{} {} ", "prior": ""}.get(kind, "{} ")
    text = marks + "very " * 100
    prompts = TINY["prompts"] | {kind: text if kind == "train" else [text]}
    suite = write_suite(tmp_path, prompts=prompts)
    assert status_of("run", "--methods", "lora", "--suite", suite, "--out", tmp_path / "out") == 2
    err = capsys.readouterr().err
    assert "very very" in err and "longer than 32 tokens" in err
    assert not list((tmp_path / "home" / "units").glob("*/unit.json"))


def seen(value) -> list[dict]:
    cell = Cell("concept", np.zeros((4, 2, 2, 3), np.uint8), np.array([0, 0, 1, 1]), np.ones((4, 3)))
    return list(rows("strange", cell, load_profile("toybox"))) if value is not None else []


@pytest.mark.parametrize("value", [np.float32(2), np.float64(2), 2, 2.0])
def test_a_number_of_any_kind_is_a_value_of_the_whole_cell(monkeypatch, value):
    monkeypatch.setitem(cells.METRICS, "strange", Metric("strange", True, lambda cell, profile: value, ""))
    (row,) = seen(value)
    assert row["value"] == 2.0 and row["prompt"] is None and isinstance(row["value"], float)


@pytest.mark.parametrize("value", [np.nan, np.array([1.0, np.nan, 1.0, 1.0])])
def test_what_is_not_a_number_is_an_error_and_not_a_row_less(monkeypatch, value):
    monkeypatch.setitem(cells.METRICS, "strange", Metric("strange", True, lambda cell, profile: value, ""))
    with pytest.raises(FailedRun, match=r"'strange' \(cpbench\) .* is NaN"):
        seen(value)


def test_features_of_real_pictures_are_computed_once_whatever_run_or_method_asks(tmp_path, suite_file, extracted):
    for method in ("base", "lora"):
        assert status_of("run", "--methods", method, "--suite", suite_file, "--out", tmp_path / "out") == 0
        seen = [(name, picture_hash(pictures)) for name, pictures in extracted]
        assert len(seen) == len(set(seen)) > 0
