"""What a run has learned, written for other programs, and read by them in a process without cpbench."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from pipelines import sd, sdxl, written
from safetensors.torch import load_file, save_file

import cpbench
from cpbench.benchmark.records.reading import read_result
from cpbench.benchmark.verbs.sample import parsed
from cpbench.benchmark.verbs.states import trained
from cpbench.methods.catalogue import CATALOGUE

FORMATS = ("diffusers", "peft", "kohya", "merged")
SUITE = """
name: two
version: 1
title: Two concepts
licence: drawn by a test
backbone: tiny
concepts: [{name: mallow, noun: cat, toybox: 1}, {name: rumble, noun: car, toybox: 2}]
prompts: {train: "photo of a {}", evaluation: ["photo of a {}"]}
training: {steps: 3, batch: 2, pictures: 2}
sampling: {sampler: ddim, steps: 3, guidance: 2.0, batch: 4, size: 64}
evaluation: {per_prompt: 2, references: 2, distractors: 1, profile: toybox}
"""
SETTINGS = {"learner.rate": "0.05", "learner.token_rate": "0.05", "lora.rank": "6", "lora.alpha": "9", "vera.rank": "8"}
SETTINGS |= {"dsc.iterations": "2", "ewc.passes": "1", "ziplora.iterations": "2"}


def runs(folder, monkeypatch, methods, backbone, **settings):
    """Records of methods that learned two concepts, by method."""
    monkeypatch.setenv("CPBENCH_HOME", str(folder / "home"))
    (folder / "two.yaml").write_text(SUITE)
    sections = {part for name in methods for part in (CATALOGUE[name].adapter, *CATALOGUE[name].consolidations)}
    own = {k: v for k, v in (SETTINGS | settings).items() if k.partition(".")[0] in {"learner", *sections}}
    done = cpbench.sweep(
        methods, folder / "two.yaml", backbone=backbone, settings=own, out=folder / "runs", jobs=1, device="cpu"
    )
    records = [read_result(path) for path in done.paths]
    return {record.run.method: record for record in records}


def latents(result, monkeypatch, count=2):
    """The noise of some pictures, and the latents that cpbench draws of the first concept from it."""
    suite, seen = cpbench.load_suite("two.yaml"), []
    model, method = trained(result, 2, suite.sampling, print)
    monkeypatch.setattr(type(model), "decode", lambda self, z: seen.append(z) or torch.zeros(len(z), 1).numpy())
    prompt = parsed("photo of a <mallow>", {"mallow": cpbench.Subject("mallow", "cat")})
    seeds = range(count)
    method.generate([prompt] * count, list(seeds))
    base, _ = trained(result, 0, suite.sampling, print)
    base.sample(["photo of a cat"] * count, list(seeds))
    return torch.stack([model.initial_noise(seed) for seed in seeds]), *seen, prompt.render(method.phrase)


def ask(folder, noise, prompt, without_vae):
    """What the other process is to draw from an exported state."""
    asked = {"prompt": prompt, "size": 64, "steps": 3, "guidance": 2.0, "without_vae": without_vae}
    (folder / "ask.json").write_text(json.dumps(asked))
    save_file({"noise": noise}, folder / "noise.safetensors")


def round_trip(folder, monkeypatch, results, embedded=False, **more):
    """The greatest difference of latents, by method and format, as a share of the largest; all differ from the base."""
    monkeypatch.chdir(folder)
    expected = {}
    for name, result in results.items():
        noise, own, base, prompt = latents(result, monkeypatch)
        for form in FORMATS:
            place = folder / "out" / f"{name}-{form}"
            concept = "mallow" if form == "merged" and "independent" in CATALOGUE[name].consolidations else None
            found = cpbench.export(result.run.id, form=form, results="runs", out=place, concept=concept, **more)
            assert found.what.error == 0 or more
            ask(place, noise, prompt, embedded)
            if embedded and form != "merged" and not (place / "tiny").exists():
                cpbench.export(result.run.id, task=0, form="merged", results="runs", out=place / "tiny")
            expected[name, form] = own, base
    child = Path(__file__).with_name("export_child.py")
    away = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-I", child, folder / "out"], env=away, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    gaps = {}
    for (name, form), (own, base) in expected.items():
        drawn = load_file(folder / "out" / f"{name}-{form}" / "latents.safetensors")["latents"]
        assert (drawn - base).abs().max() > 1e-3, "it learned something"
        gaps[name, form] = float((drawn - own).abs().max() / own.abs().max().clamp(min=1))
    return gaps


def test_diffusers_peft_and_kohya_draw_what_cpbench_draws(tmp_path, monkeypatch):
    _, folder = written(tmp_path / "model", sd)
    results = runs(tmp_path, monkeypatch, ["lora", "independent", "cd"], folder)
    gaps = round_trip(tmp_path, monkeypatch, results)
    assert max(gaps.values()) < 1e-5, gaps


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sd", "sdxl", "toybox"])
def test_every_method_draws_the_same_in_every_format(kind, tmp_path, monkeypatch, show):
    backbone = "tiny" if kind == "toybox" else written(tmp_path / "model", {"sd": sd, "sdxl": sdxl}[kind])[1]
    methods = [name for name, row in CATALOGUE.items() if row.adapter]
    gaps = round_trip(tmp_path, monkeypatch, runs(tmp_path, monkeypatch, methods, backbone), kind == "toybox")
    worst = max(gaps, key=gaps.get)
    show(f"{kind}: {len(gaps)} exports of {len(methods)} methods, the worst {worst} off by {gaps[worst]:.1e}")
    assert {pair: gap for pair, gap in gaps.items() if gap >= 1e-5} == {}
