"""Models of the true classes against plain scripts with diffusers: latents, targets, loss, gradients, and pictures."""

import warnings
from contextlib import contextmanager

import numpy as np
import peft
import pipelines
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    PNDMScheduler,
)

from cpbench.benchmark.models.loading import load_backbone
from cpbench.benchmark.models.sampling import sampler_of
from cpbench.benchmark.suite.spec import Sampling
from cpbench.methods.adapters.low_rank import Lora
from cpbench.methods.options.lora import LoraOptions

SAMPLING = Sampling(sampler="ddim", steps=4, guidance=3.0, batch=2, size=64)
PROMPTS = ["photo of a cat", "photo of a dog in the snow"]


@pytest.fixture(scope="module", params=pipelines.KINDS)
def both(request, tmp_path_factory):
    """The kind, a pipeline of diffusers, and the backbone of its folder."""
    pipe, folder = pipelines.written(tmp_path_factory.mktemp(request.param), pipelines.KINDS[request.param])
    return request.param, pipe, load_backbone(folder, SAMPLING)


def read(kind, pipe, prompts):
    """What the network reads of prompts, by diffusers."""
    if kind in ("noise", "velocity"):
        return {"encoder_hidden_states": pipe.encode_prompt(prompts, "cpu", 1, False)[0]}
    if kind == "sdxl":
        states, _, pooled, _ = pipe.encode_prompt(prompts, device="cpu", do_classifier_free_guidance=False)
        ids = torch.tensor([[64.0, 64, 0, 0, 64, 64]] * len(prompts))
        return {"encoder_hidden_states": states, "added_cond_kwargs": {"text_embeds": pooled, "time_ids": ids}}
    states, _, pooled, _ = pipe.encode_prompt(prompts, prompts, prompts, do_classifier_free_guidance=False)
    return {"encoder_hidden_states": states, "pooled_projections": pooled}


def by_hand(kind, pipe, z, noise, t, prompts):
    """L_denoise as diffusers' training scripts compute it, with t counted from the least noise."""
    text = read(kind, pipe, prompts)
    if kind == "flow":
        s = type(pipe.scheduler).from_config(pipe.scheduler.config)  # drawing has set other timesteps
        where = len(s.sigmas) - 1 - t
        sigma = s.sigmas[where].view(-1, 1, 1, 1)
        noisy, target = (1 - sigma) * z + sigma * noise, noise - z
        told = pipe.transformer(noisy, timestep=s.timesteps[where], return_dict=False, **text)[0]
    else:
        s = DDPMScheduler.from_config(pipe.scheduler.config)
        noisy = s.add_noise(z, noise, t)
        target = s.get_velocity(z, noise, t) if kind == "velocity" else noise
        told = pipe.unet(noisy, t, return_dict=False, **text)[0]
    return noisy, target, (told - target).square().mean()


def test_latents_targets_and_loss_are_those_of_a_plain_script(both):
    kind, pipe, mine = both
    pictures = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2) / 127.5 - 1
    with torch.no_grad():
        shift = getattr(pipe.vae.config, "shift_factor", None) or 0
        z = (pipe.vae.encode(x).latent_dist.mode() - shift) * pipe.vae.config.scaling_factor
        torch.testing.assert_close(mine.encode(pictures), z, rtol=1e-5, atol=1e-5)
        noise = torch.randn(z.shape, generator=torch.Generator().manual_seed(1))
        t = torch.tensor([20, 800])
        noisy, target, loss = by_hand(kind, pipe, z, noise, t, PROMPTS)
        torch.testing.assert_close(mine.add_noise(z, noise, t), noisy, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(mine.target(z, noise, t), target, rtol=1e-5, atol=1e-5)
        told = mine.predict(mine.add_noise(z, noise, t), t, PROMPTS)
        torch.testing.assert_close((told - target).square().mean(), loss, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("sampler", ["ddim", "dpm++"])
def test_pictures_are_those_of_the_pipeline(both, sampler):
    kind, pipe, mine = both
    assert grey_levels(kind, pipe, mine.resampled(SAMPLING.model_copy(update={"sampler": sampler}))) == 0


def own_sampler(kind, pipe, sampler):
    """The sampler as a person would put it into a pipeline."""
    if kind != "flow":
        return {"ddim": DDIMScheduler, "dpm++": DPMSolverMultistepScheduler}[sampler].from_config(pipe.scheduler.config)
    if sampler == "ddim":
        return pipe.scheduler
    flow = {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": pipe.scheduler.config.shift}
    return DPMSolverMultistepScheduler(**flow)


def grey_levels(kind, pipe, mine):
    """The greatest difference of pictures, in grey levels."""
    s = mine.sampling
    parts = {**pipe.components, "scheduler": own_sampler(kind, pipe, s.sampler)}
    more = {"requires_safety_checker": False} if kind in ("noise", "velocity") else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        own = type(pipe)(**parts, **more)
    own.set_progress_bar_config(disable=True)
    latents = torch.stack([mine.initial_noise(k) for k in (1, 2)])
    theirs = own(
        PROMPTS,
        height=64,
        width=64,
        num_inference_steps=s.steps,
        guidance_scale=s.guidance,
        latents=latents,
        output_type="np",
    ).images
    theirs = (theirs * 255).round().astype(np.uint8)
    return int(np.abs(theirs.astype(int) - mine.sample(PROMPTS, [1, 2])).max())


@pytest.mark.parametrize("scheduler", [PNDMScheduler, DDIMScheduler, DDPMScheduler, EulerDiscreteScheduler])
@pytest.mark.parametrize("sampler", ["ddim", "dpm++"])
@pytest.mark.parametrize("bare", [False, True])
def test_samplers_inherit_what_the_files_say_whatever_scheduler_wrote_them(scheduler, sampler, bare, tmp_path):
    """What the files leave out has the defaults of the sampler, not those of the scheduler that training uses."""
    pipe, folder = pipelines.written(tmp_path, lambda: pipelines.sd(scheduler), bare=bare)
    mine = load_backbone(folder, SAMPLING.model_copy(update={"sampler": sampler}))
    assert grey_levels("noise", pipe, mine) == 0
    made = sampler_of(sampler, mine.schedule)
    assert not made.config.get("clip_sample") and made.config.get("steps_offset", 1) == 1


@contextmanager
def peft_in(network, targets):
    """The parameters of a LoRA that peft puts into a network for a while, by name."""
    wrapped = peft.get_peft_model(network, peft.LoraConfig(r=4, lora_alpha=32, target_modules=targets))
    yield {n.removeprefix("base_model.model."): p for n, p in wrapped.named_parameters() if p.requires_grad}
    wrapped.unload()


def test_gradients_of_a_lora_are_those_of_a_plain_script(both):
    kind, pipe, mine = both
    own, draw = mine.shared(), torch.Generator().manual_seed(0)
    lora = Lora(own, 0, LoraOptions(rank=4))
    with torch.no_grad():
        for p in lora.params.values():
            p.normal_(0, 0.1, generator=draw)
    z, noise = torch.randn(2, 2, 16 if kind == "flow" else 4, 8, 8, generator=draw)
    t = torch.tensor([20, 800])
    loss = (own.predict(own.add_noise(z, noise, t), t, PROMPTS) - own.target(z, noise, t)).square().mean()
    grads = torch.autograd.grad(loss, list(lora.params.values()))
    with peft_in(getattr(pipe, mine.prefix), mine.layers["kv"]) as named:
        theirs = [named[name.removeprefix(f"{mine.prefix}.")] for name in lora.params]
        with torch.no_grad():
            for p, q in zip(theirs, lora.params.values(), strict=True):
                p.copy_(q)
        expected = torch.autograd.grad(by_hand(kind, pipe, z, noise, t, PROMPTS)[2], theirs)
    torch.testing.assert_close(grads, expected, rtol=1e-4, atol=1e-6)
    assert max(g.abs().max() for g in grads) > 1e-6


def test_a_learned_token_does_not_move_what_is_pooled_to_itself(tmp_path):
    """Published files of SDXL say that token 2 ends a text; transformers then pools at the token of greatest number."""
    pipe, _ = pipelines.written(tmp_path / "right", pipelines.sdxl)
    _, folder = pipelines.written(tmp_path / "published", lambda: pipelines.sdxl(eos=2))
    mine = load_backbone(folder, SAMPLING).shared()
    before = mine.embed(PROMPTS)
    theirs = read("sdxl", pipe, PROMPTS)["added_cond_kwargs"]["text_embeds"]
    torch.testing.assert_close(before.pooled, theirs, rtol=1e-5, atol=1e-6)
    mine.add_token("<mallow>", mine.word_rows("cat"))
    torch.testing.assert_close(mine.embed(["photo of a <mallow>"]).pooled, before.pooled[:1], rtol=1e-5, atol=1e-6)
