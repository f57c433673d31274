"""Four methods in one process keep one frozen model in memory, and little beside it."""

import gc

import pytest
import torch
import yaml
from pipelines import SD15, autoencoder, clip, with_random_weights

import cpbench
from conftest import TINY
from cpbench.benchmark.run.events import Ended, Ticked

METHODS = "lora,ewc-dc,dsc,vera"
MOST = 1.15
"""Times the frozen model."""


@pytest.fixture
def model(tmp_path):
    """A quarter of Stable Diffusion 1.5: half as wide, with random weights."""
    half = SD15 | {"block_out_channels": (160, 320, 640, 640), "cross_attention_dim": 384}
    return tmp_path / "half", with_random_weights(tmp_path / "half", half, clip(384, 6, 6, 384), autoencoder)


def living():
    """The bytes of all tensors of this process, each memory counted once."""
    found = (x for x in gc.get_objects() if issubclass(type(x), torch.Tensor) and x.device.type == "cpu")
    return sum({(s := x.untyped_storage()).data_ptr(): s.nbytes() for x in found}.values())


@pytest.mark.slow
def test_four_methods_in_one_process_keep_little_more_than_one_frozen_model(model, tmp_path, monkeypatch, show):
    folder, frozen = model
    monkeypatch.setenv("CPBENCH_HOME", str(tmp_path / "home"))
    content = TINY | {
        "backbone": str(folder),
        "training": {"steps": 2, "batch": 1, "pictures": 2},
        "sampling": {"sampler": "ddim", "steps": 1, "guidance": 2.0, "batch": 1, "size": 64},
        "evaluation": {"per_prompt": 1, "references": 2, "distractors": 0, "profile": "offline"},
    }
    (tmp_path / "half.yaml").write_text(yaml.safe_dump(content))
    gc.collect()
    before, most = living(), {}

    def watch(event):
        if isinstance(event, Ended | Ticked):
            kind = type(event).__name__
            most[kind] = max(most.get(kind, 0), living() - before)

    few = {"dsc.iterations": 2, "dsc.batch": 1, "ewc.passes": 1}
    results = cpbench.sweep(METHODS, tmp_path / "half.yaml", settings=few, jobs=1, device="cpu", on_event=watch)
    assert sorted(results.scores.method.unique()) == sorted(METHODS.split(","))
    show(f"frozen: {frozen / 1e6:.0f} MB; most, of it: { {k: round(v / frozen, 3) for k, v in most.items()} }")
    assert most.keys() == {"Ended", "Ticked"}
    assert max(most.values()) <= MOST * frozen
