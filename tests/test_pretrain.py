"""Pretraining from scratch, small: every stage once, whole files at the end, and nothing done twice."""

import json
from dataclasses import asdict
from itertools import groupby

import pytest
import torch
from safetensors.torch import load_file

from cpbench.benchmark.pretrain.contrast import ClipRecipe
from cpbench.benchmark.pretrain.recipe import PretrainOptions, pretrain
from cpbench.benchmark.toybox.clip import read_clip
from cpbench.benchmark.toybox.weights import read_manifest, read_parts

SMALL = PretrainOptions(pictures=48, codec_updates=2, codec_batch=4, decoder_updates=2, rounds=(2, 3), batch=2)
CLIP = ClipRecipe(scenes=48, updates=2, batch=8, held_out=8)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pretrain")
    return folder, list(pretrain(SMALL, folder, CLIP))


def test_every_stage_runs_once_in_its_order_and_writes_whole_weights(trained):
    folder, progress = trained
    stages = [name for name, _ in groupby(p.stage for p in progress)]
    assert stages == ["pictures", "codec", "diffusion-1", "diffusion-2", "decoder", "features", "clip"]
    assert read_manifest(folder / "weights")["recipe"] == json.loads(json.dumps(asdict(SMALL)))
    parts, clip = read_parts(folder / "weights"), read_clip(folder / "weights")
    assert all(torch.isfinite(p).all() for p in [*parts.unet.parameters(), *clip.parameters()])


def test_a_finished_pretraining_is_not_done_again_and_gives_the_same_bytes(trained):
    folder, _ = trained
    before = {f.name: f.read_bytes() for f in (folder / "weights").iterdir()}
    again = [p for p in pretrain(SMALL, folder, CLIP) if p.stage != "features"]
    assert again == []
    assert {f.name: f.read_bytes() for f in (folder / "weights").iterdir()} == before


def test_the_decoder_stage_leaves_the_latent_space_as_it_is(trained):
    folder, _ = trained
    before = load_file(folder / "codec.safetensors")
    after = dict(read_parts(folder / "weights").vae.named_parameters())
    same = {name for name, p in after.items() if torch.equal(p, before[f"ema.codec.{name}"].half().float())}
    assert {name for name in after if name.startswith(("encoder", "linear_in"))} <= same
    assert not any(name.endswith("weight") and name.startswith("linear_out") for name in same)
