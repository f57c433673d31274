"""Stable Diffusion 1.5 in its true size, with random weights, taught by the command on a CPU. It takes half an hour.

pytest -m hours tests/test_true_size.py
"""

import resource
import shutil
import subprocess
import sys

import numpy as np
import pytest
import yaml
from diffusers import AutoencoderKL
from PIL import Image
from pipelines import SD15, VAE, clip, with_random_weights
from rich.table import Table

from conftest import TINY
from cpbench import load_results
from cpbench.benchmark.verbs.fit import WAYS, fit, phase_names

GIB = 2**30
MOST = 12e9
"""Bytes that the whole command may take."""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A folder of 4.3 GB, which is removed at the end."""
    folder = tmp_path_factory.mktemp("sd15")
    with_random_weights(folder, SD15, clip(768, 12, 12), lambda: AutoencoderKL(**VAE))
    yield str(folder)
    shutil.rmtree(folder)


def suite_of(folder, model):
    """Two concepts of two pictures each, two updates per task, and two steps of sampling."""
    draw = np.random.default_rng(0)
    for name in ("cat", "car"):
        (folder / name).mkdir()
        for k in range(2):
            Image.fromarray(draw.integers(0, 256, (512, 512, 3), np.uint8)).save(folder / name / f"{k}.png")
    content = TINY | {
        "backbone": model,
        "concepts": [{"name": f"my-{noun}", "noun": noun, "folder": noun} for noun in ("cat", "car")],
        "prompts": {"train": "photo of a {}", "evaluation": ["photo of a {}"]},
        "training": {"steps": 2, "batch": 1, "pictures": 2},
        "sampling": {"sampler": "ddim", "steps": 1, "guidance": 2.0, "batch": 1, "size": 512},
        "evaluation": {"per_prompt": 2, "references": 2, "distractors": 0, "profile": "offline"},
    }
    file = folder / "true.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


@pytest.mark.hours
@pytest.mark.timeout(7200)
def test_three_methods_learn_two_concepts_on_a_cpu_within_twelve_gigabytes(model, tmp_path, show, monkeypatch):
    file = suite_of(tmp_path, model)
    command = [sys.executable, "-m", "cpbench", "run", "--suite", file, "--methods", "lora,ewc-dc,dsc", "--jobs", 1]
    engine = ["--micro-batch", 1, "--checkpointing", "--inspect", "off"]
    few = ["--set", "dsc.iterations=2", "--set", "dsc.batch=1", "--set", "ewc.passes=1"]
    given = [*command, *engine, *few, "--out", tmp_path / "runs", "--quiet", "--threads", 2, "--device", "cpu"]
    ended = subprocess.run(list(map(str, given)), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    most = 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    results = load_results(tmp_path / "runs")
    assert sorted(results.scores.method.unique()) == ["dsc", "ewc-dc", "lora"]
    found = fit(model, file, "lora,ewc-dc,dsc")
    table = Table("GiB by phase", *(names := phase_names(found)))
    for one in found:
        for k, way in enumerate(WAYS):
            each = (f"{one.phases[n][k] / GIB:.1f}" if n in one.phases else "" for n in names)
            table.add_row(f"{one.method}, {way}", *each)
    show(table)
    show(f"peak of the command: {most / 1e9:.2f} GB; seconds per task: {results.cost.train_seconds.round(0).tolist()}")
    assert most <= MOST
