"""Adapters of other programs as rows of a leaderboard: the same pictures as from the run that they are of."""

import json
import shutil

import numpy as np
import pytest
from pipelines import sd, sdxl, written
from safetensors.torch import load_file, save_file
from test_export import runs

import cpbench
from conftest import status_of
from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.models.foreign import add_adapter, use
from cpbench.benchmark.models.loading import load_backbone
from cpbench.benchmark.records.reading import read_result
from cpbench.benchmark.run.work.pictures import read_pictures
from cpbench.benchmark.storage.store import Store


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A run of independent LoRAs on a model, and its adapters in three formats."""
    top = tmp_path_factory.mktemp("foreign")
    with pytest.MonkeyPatch.context() as patch:
        _, folder = written(top / "model", sd)
        result = runs(top, patch, ["independent"], folder)["independent"]
        patch.chdir(top)
        for form in ("diffusers", "peft", "kohya"):
            cpbench.export(result.run.id, form=form, results="runs", out=top / form)
        yield top, folder, result


def pictures(top, record, cell):
    return read_pictures(Store(top / "home" / "units", print).read(record.units[f"draw/{cell}"]))


@pytest.mark.parametrize("form", ["diffusers", "peft", "kohya"])
def test_an_exported_adapter_draws_and_scores_as_the_run_that_it_is_of(form, exported, monkeypatch):
    top, folder, result = exported
    monkeypatch.setenv("CPBENCH_HOME", str(top / "home"))
    suite = cpbench.load_suite(str(top / "two.yaml"))
    found = cpbench.score_adapters(
        top / form, suite, backbone=folder, device="cpu", jobs=1, out=top / f"out-{form}", phrases={"mallow": "cat"}
    )
    records = {r.run.method: r for r in map(read_result, found.paths)}
    assert set(records) == {"mallow", "rumble", "together"}
    for name, j in (("mallow", 1), ("rumble", 2)):
        own, before = pictures(top, records[name], "1/1"), pictures(top, result, f"{j}/{j}")
        assert np.abs(own.astype(int) - before).max() <= 1, "the last bit of a level may differ"
        assert np.abs(own.astype(int) - pictures(top, result, f"0/{j}")).mean() > 2
    both = records["together"]
    assert np.array_equal(pictures(top, both, "1/1"), pictures(top, records["mallow"], "1/1"))
    assert not np.array_equal(pictures(top, both, "2/1"), pictures(top, both, "1/1")), "the other adapter disturbs it"
    assert both.run.options["adapters"]["mallow"]["phrase"] == "cat"


def test_alpha_counts_and_strength_multiplies(exported, tmp_path):
    top, folder, _ = exported
    suite = cpbench.load_suite(str(top / "two.yaml"))
    model = load_backbone(folder, suite.sampling)
    file = top / "kohya" / "mallow.safetensors"
    tensors = load_file(file)
    assert {float(w) for k, w in tensors.items() if k.endswith(".alpha")} == {9.0}, "alpha is not the rank"
    halved = {k: w / 2 if k.endswith(".alpha") else w for k, w in tensors.items()}
    save_file(halved, tmp_path / "halved.safetensors")

    def drawn(path, strength):
        own = model.shared()
        add_adapter(own, path, "a")
        use(own, ["a"], strength)
        return own.sample(["a cat"], [0]).astype(int)

    whole, half = drawn(file, 1.0), drawn(file, 0.5)
    assert np.abs(half - drawn(tmp_path / "halved.safetensors", 1.0)).max() <= 1
    assert np.abs(half - whole).mean() > 1
    assert np.array_equal(drawn(file, 0.0), model.sample(["a cat"], [0]).astype(int))


def other_model(top, folder):
    _, other = written(top / "xl", sdxl)
    return {"backbone": other}


def damaged(top, folder):
    (folder / "mallow.safetensors").write_bytes(b"not safetensors")


def pickled(top, folder):
    for file in folder.glob("*.safetensors"):
        file.rename(file.with_suffix(".bin"))


def strange(top, folder):
    (folder / "mallow.safetensors").rename(folder / "fluffy.safetensors")


def not_lora(top, folder):
    save_file(
        {"unet.conv_in.weight": load_file(folder / "mallow.safetensors").popitem()[1]}, folder / "mallow.safetensors"
    )


BAD = {
    other_model: "does not fit|changes no layer",
    damaged: "cannot be read",
    pickled: "is a pickle",
    strange: "of which concept",
    not_lora: "does not fit|changes no layer",
}


@pytest.mark.parametrize("harm", BAD)
def test_a_file_that_cannot_be_scored_is_refused_by_name(harm, exported, tmp_path, monkeypatch):
    top, model, _ = exported
    monkeypatch.setenv("CPBENCH_HOME", str(top / "home"))
    folder = tmp_path / "own"
    shutil.copytree(top / "diffusers", folder)
    shutil.rmtree(folder / "tokens")
    options = {"backbone": model} | (harm(tmp_path, folder) or {})
    with pytest.raises(BadInput, match=BAD[harm]):
        cpbench.score_adapters(
            folder, cpbench.load_suite(str(top / "two.yaml")), device="cpu", jobs=1, out=tmp_path / "out", **options
        )


def test_a_peft_adapter_that_is_no_plain_lora_is_refused(exported, tmp_path):
    top, _, _ = exported
    folder = tmp_path / "mallow"
    shutil.copytree(top / "peft" / "mallow", folder)
    card = json.loads((folder / "unet" / "adapter_config.json").read_text())
    (folder / "unet" / "adapter_config.json").write_text(json.dumps(card | {"peft_type": "LOHA"}))
    model = load_backbone("tiny", cpbench.load_suite(str(top / "two.yaml")).sampling)
    with pytest.raises(BadInput, match="only plain LoRA"):
        add_adapter(model, folder, "a")


def test_the_command_asks_for_pictures_and_well_written_phrases(exported, capfd):
    top, _, _ = exported
    assert status_of("score-adapters", top / "kohya") == 2
    assert "--data FOLDER, or --suite NAME" in capfd.readouterr().err
    assert status_of("score-adapters", top / "kohya", "--suite", top / "two.yaml", "--phrase", "mallow") == 2
    assert "concept=words" in capfd.readouterr().err
