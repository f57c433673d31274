"""What must hold on an accelerator: the same mathematics as on the CPU, to rounding. Run with ``pytest -m gpu``.

``CPBENCH_TEST_DEVICE=cpu pytest -m gpu`` tries the tests themselves where there is no accelerator.
"""

import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_methods import LEARNING, chosen

from cpbench import sweep
from cpbench.benchmark.models.loading import load_backbone
from cpbench.benchmark.protocol import Prompt, Question, unwatched
from cpbench.benchmark.suite.spec import Sampling
from cpbench.methods.training import draw_step, sources_of
from learners import CAR, CAT

pytestmark = pytest.mark.gpu
PROMPT = Prompt("photo of a {}", (CAT.subject,))
LEVELS = 3.0
"""Mean difference in grey levels of pictures drawn on two devices, after training steps that round differently."""


@pytest.fixture(scope="module")
def there():
    """The name of the accelerator."""
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    name = os.environ.get("CPBENCH_TEST_DEVICE") or (found.type if found else None)
    if name is None:
        pytest.skip("no accelerator on this machine")
    return name


@pytest.fixture(scope="module")
def toyboxes(there):
    sampling = Sampling(sampler="dpm++", steps=6, guidance=2.0, batch=8, size=64)
    return load_backbone("toybox", sampling, "cpu"), load_backbone("toybox", sampling, there)


@pytest.fixture(scope="module")
def tiny(there):
    sampling = Sampling(sampler="dpm++", steps=2, guidance=2.0, batch=8, size=64)
    return load_backbone("tiny", sampling, "cpu"), load_backbone("tiny", sampling, there)


def apart(a, b):
    """The mean difference of pictures in grey levels."""
    return float(np.abs(a.astype(float) - b).mean())


def peak_of(name):
    """The highest number of bytes in use on the accelerator so far; 0 on the CPU."""
    return torch.cuda.max_memory_allocated() if name == "cuda" else 0


@pytest.mark.parametrize("sampler", ["ddim", "dpm++"])
def test_the_frozen_model_draws_the_same_pictures(toyboxes, sampler):
    prompts = ["photo of a cat", "a photo of a car at night"] * 5
    drawn = []
    for model in toyboxes:
        own = replace(model, sampling=model.sampling.model_copy(update={"sampler": sampler}))
        drawn.append(own.sample(prompts, range(10)))
    assert apart(*drawn) < 0.5


@pytest.mark.parametrize(("rounded", "within"), [(False, 1e-5), (True, 2e-3)])
def test_latents_and_errors_are_the_same(toyboxes, rounded, within):
    """By default, convolutions on CUDA round float32 to the 10 bits of TF32, as all of diffusers does."""
    questions = [Question(k, PROMPT, t, 5) for k in range(2) for t in (10, 500, 990)]
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=rounded):
        a, b = (model.explain(CAT.pictures, questions) for model in toyboxes)
        here, far = (model.encode(CAT.pictures).cpu() for model in toyboxes)
    assert b == pytest.approx(a, rel=within)
    assert torch.linalg.norm(far - here) < within * torch.linalg.norm(here)


@pytest.mark.parametrize("name", ["lora", "cd", "ti", "vera"])
def test_the_gradients_of_every_adapter_are_the_same(toyboxes, name):
    found = []
    for model in toyboxes:
        made = chosen(name).make(model.copy(), 7)
        made.learn(CAT, unwatched)
        step = draw_step(made.backbone, sources_of(made, CAT), 2, torch.Generator().manual_seed(0))
        params = [*made.adapter.params.values(), *(row for rows in made.backbone.tokens.values() for row in rows)]
        for p in params:
            p.requires_grad_(True)
        eps = made.backbone.predict(step.noisy, step.t, ["photo of a <mallow> cat"] * 2)
        grads = torch.autograd.grad((eps - step.target).square().mean(), params)
        found.append(torch.cat([g.flatten().cpu() for g in grads]))
    assert torch.linalg.norm(found[1] - found[0]) < 0.02 * torch.linalg.norm(found[0])


@pytest.mark.parametrize("name", LEARNING)
def test_every_method_learns_two_concepts_as_on_the_cpu(tiny, there, name, tmp_path):
    drawn, states = [], []
    for place, model in zip(("cpu", there), tiny, strict=True):
        made = chosen(name).make(model.copy(), 7)
        for one in (CAT, CAR):
            assert all(np.isfinite(v) for v in made.learn(one, unwatched).values())
        folder = tmp_path / place
        folder.mkdir(exist_ok=True)
        made.save(folder)
        states.append(folder)
        drawn.append(made.generate([PROMPT] * 4, range(4)))
    assert apart(*drawn) < LEVELS
    back = chosen(name).make(tiny[0].copy(), 7)
    back.load(states[1])
    assert apart(back.generate([PROMPT] * 4, range(4)), drawn[1]) < 0.5, "what was learned there is drawn here"


@pytest.mark.parametrize("name", ["lora", "dsc-ewc-dc", "clora", "cd-merge", "ziplora"])
def test_bfloat16_learns_and_keeps_what_it_trains_in_float32(tiny, there, name):
    made = chosen(name).make(load_backbone("tiny", tiny[0].sampling, there, "bfloat16"), 7)
    assert all(np.isfinite(v) for v in made.learn(CAT, unwatched).values())
    assert {p.dtype for p in made.adapter.params.values()} == {torch.float32}
    assert made.generate([PROMPT], [0]).std() > 1


def test_methods_one_after_another_leave_no_memory_behind(toyboxes, there):
    if there != "cuda":
        pytest.skip("only CUDA counts its memory")
    left = []
    for _ in range(3):
        made = chosen("lora").make(toyboxes[1].copy(), 7)
        made.learn(CAT, unwatched)
        del made
        torch.cuda.synchronize()
        left.append(torch.cuda.memory_allocated())
    assert left[2] <= left[1] + 2**20
    assert peak_of(there) > left[2]


def test_a_sweep_agrees_with_the_cpu(there, suite, tmp_path):
    names, few = ["base", "lora", "cd", "clora", "dsc-ewc-dc"], {"dsc.iterations": 2, "ewc.passes": 1}
    found = [sweep(names, suite, device=place, settings=few, out=tmp_path / place) for place in ("cpu", there)]
    assert [one.scores["run"].nunique() for one in found] == [len(names)] * 2
    here, far = (one.scores.sort_values(["method", "source", "i", "j", "other", "prompt", "metric"]) for one in found)
    assert list(here["metric"]) == list(far["metric"])
    close = here["metric"].isin(["text_align", "image_align"]).to_numpy()
    assert close.any()
    assert np.abs(here["value"].to_numpy() - far["value"].to_numpy())[close].max() < 0.1
