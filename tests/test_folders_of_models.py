"""Which folders of models load, and what is said of those that do not."""

import json
import shutil
from pathlib import Path

import pipelines
import pytest
import torch
from safetensors.torch import load_file, save_file

from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.models.folders import find_pipeline
from cpbench.benchmark.models.loading import load_backbone
from cpbench.benchmark.models.published import PUBLISHED
from cpbench.benchmark.suite.spec import Sampling

SAMPLING = Sampling(sampler="ddim", steps=2, guidance=2.0, batch=2, size=64)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return pipelines.written(tmp_path_factory.mktemp("plain"), pipelines.sd)[1]


@pytest.fixture
def folder(plain, tmp_path):
    """A copy to spoil."""
    return Path(shutil.copytree(plain, tmp_path / "model"))


def refused(folder):
    with pytest.raises(BadInput) as caught:
        load_backbone(str(folder), SAMPLING)
    text = str(caught.value)
    assert str(folder)[:20] in text and text.isprintable() and len(text) < 600
    return text


def test_half_precision_and_variants_load_and_compute_in_float32(tmp_path):
    _, folder = pipelines.written(tmp_path, lambda: pipelines.sd().to(torch.float16), variant="fp16")
    stored = load_file(next((tmp_path / "unet").glob("*.safetensors")))
    assert find_pipeline(folder).variant == "fp16" and {w.dtype for w in stored.values()} == {torch.float16}
    mine = load_backbone(folder, SAMPLING)
    assert {p.dtype for m in (*mine.modules.values(), mine.vae) for p in m.parameters()} == {torch.float32}
    assert mine.sample(["photo of a cat"], [1]).shape == (1, 64, 64, 3)


def test_the_plain_files_are_preferred_to_a_variant(folder):
    for part in ("unet", "vae", "text_encoder"):
        file = next((folder / part).glob("*.safetensors"))
        shutil.copy(file, file.with_name(file.name.replace(".safetensors", ".fp16.safetensors")))
    assert find_pipeline(str(folder)).variant is None


def test_parts_of_different_variants_are_told(folder):
    file = next((folder / "unet").glob("*.safetensors"))
    file.rename(file.with_name(file.name.replace(".safetensors", ".fp16.safetensors")))
    assert "no variant in common (unet: fp16, " in refused(folder).replace("text_encoder: plain, ", "")


def test_pickles_are_refused_with_the_way_to_convert_them(folder):
    file = next((folder / "unet").glob("*.safetensors"))
    torch.save(load_file(file), folder / "unet" / "diffusion_pytorch_model.bin")
    file.unlink()
    text = refused(folder)
    assert "unet has its weights only in diffusion_pytorch_model.bin, a pickle" in text and "save_pretrained" in text


def test_a_safety_checker_is_neither_needed_nor_loaded(folder):
    index = json.loads((folder / "model_index.json").read_text())
    index |= {
        "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
        "feature_extractor": ["transformers", "CLIPImageProcessor"],
    }
    (folder / "model_index.json").write_text(json.dumps(index))
    assert load_backbone(str(folder), SAMPLING).sample(["a cat"], [1]).shape == (1, 64, 64, 3)


def test_old_names_of_the_autoencoder_s_attention_load(folder, plain):
    """Files from before diffusers 0.12 call them query, key, value and proj_attn."""
    file = next((folder / "vae").glob("*.safetensors"))
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    tensors = load_file(file)
    renamed = {}
    for name, tensor in tensors.items():
        for new, was in old.items():
            name = name.replace(f"attentions.0.{new}.", f"attentions.0.{was}.")
        renamed[name] = tensor.contiguous()
    assert set(renamed) != set(tensors)
    save_file(renamed, file, metadata={"format": "pt"})
    assert load_backbone(str(folder), SAMPLING).weights == load_backbone(plain, SAMPLING).weights


SPOILED = {
    "no index": (lambda f: (f / "model_index.json").unlink(), "has no model_index.json"),
    "an index that is no JSON": (lambda f: (f / "model_index.json").write_text("{"), "cannot be read"),
    "another pipeline": (
        lambda f: (f / "model_index.json").write_text('{"_class_name": "FluxPipeline"}'),
        "is a FluxPipeline; cpbench runs StableDiffusionPipeline",
    ),
    "a part is missing": (lambda f: shutil.rmtree(f / "vae"), "the folder vae is missing"),
    "no weights": (lambda f: [p.unlink() for p in (f / "unet").glob("*.safetensors")], "has no weights in safetensors"),
    "weights cut off": (
        lambda f: [p.write_bytes(p.read_bytes()[:1000]) for p in (f / "unet").glob("*.safetensors")],
        "cannot be loaded",
    ),
    "text weights cut off": (
        lambda f: [p.write_bytes(p.read_bytes()[:1000]) for p in (f / "text_encoder").glob("*.safetensors")],
        "cannot be loaded",
    ),
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_folder_that_is_no_whole_model_is_refused_with_its_fault(how, folder):
    spoil, said = SPOILED[how]
    spoil(folder)
    assert said in refused(folder)


def test_a_folder_inside_is_pointed_at(folder):
    assert f"give {folder}" in refused(folder.parent)


def test_a_single_file_is_refused_with_the_way_to_write_a_folder(tmp_path):
    save_file({"x": torch.zeros(1)}, tmp_path / "model.safetensors")
    assert "from_single_file" in refused(tmp_path / "model.safetensors")


@pytest.mark.parametrize("name", ["./nothing", "/nothing/there", "nothing", "a/b/c", "", "x" * 5000, "a\0b"])
def test_a_name_of_nothing_is_refused(name):
    with pytest.raises(BadInput, match=r"no such folder; give toybox, sd14, .* or a hub id"):
        load_backbone(name, SAMPLING)


@pytest.mark.parametrize("name", [*PUBLISHED, "owner/name", "owner/name@main"])
def test_a_model_that_is_not_on_this_machine_is_not_fetched_but_named_with_the_command(name, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("socket.socket.connect", lambda *a: pytest.fail("it asked the network"))
    with pytest.raises(BadInput, match=r"is not on this machine. Fetch it with --download, or with 'hf download ") as e:
        load_backbone(name, SAMPLING)
    pinned = PUBLISHED[name].revision if name in PUBLISHED else ("main" if "@" in name else "")
    assert (f"--revision {pinned}" in str(e.value)) == bool(pinned)


def test_pinned_revisions_are_those_of_the_facts():
    assert all(len(m.revision) == 40 and int(m.revision, 16) for m in PUBLISHED.values())


def test_a_model_that_predicts_the_sample_is_refused(tmp_path):
    _, folder = pipelines.written(tmp_path, lambda: pipelines.sd(prediction_type="sample"))
    with pytest.raises(BadInput, match="predicts neither noise nor velocity, but sample"):
        load_backbone(folder, SAMPLING)
