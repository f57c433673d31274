"""Samplers: from noise to latents, with classifier-free guidance. Training uses nothing of this module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, FlowMatchEulerDiscreteScheduler
from torch import Tensor

from ..suite.spec import Sampling

SAMPLERS = {"ddim": DDIMScheduler, "dpm++": DPMSolverMultistepScheduler}


def sampler_of(name: str, schedule: Mapping[str, Any]) -> Any:
    """The sampler with a name, for a model whose pipeline has a scheduler with this configuration.

    Only what the files of the model say is taken over, as in diffusers: what they leave out has the default of the
    sampler. A pipeline of Stable Diffusion then sets ``clip_sample`` to False and ``steps_offset`` to 1, since it draws
    latents; so does this. For a model of flow matching, DDIM is the Euler method.
    """
    if "prediction_type" not in schedule:  # flow matching
        if name == "ddim":
            return FlowMatchEulerDiscreteScheduler.from_config(schedule)
        flow = {"use_flow_sigmas": True, "flow_shift": schedule["shift"], "prediction_type": "flow_prediction"}
        return DPMSolverMultistepScheduler(num_train_timesteps=schedule["num_train_timesteps"], **flow)
    sampler = SAMPLERS[name].from_config(schedule)
    fixed = {"clip_sample": False, "steps_offset": 1}
    return type(sampler).from_config(sampler.config, **{k: v for k, v in fixed.items() if k in sampler.config})


def denoised(
    sampling: Sampling, schedule: Mapping[str, Any], noise: Tensor, predict: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Latents (n, c, h, w) from standard normal noise of the same shape.

    ``schedule`` is the configuration of the scheduler of the model's pipeline. ``predict(z, time)`` is the output of
    the network for (2n, c, h, w): without the prompts, then with them. Guidance as in Ho & Salimans (arXiv 2207.12598).
    """
    sampler = sampler_of(sampling.sampler, schedule)
    sampler.set_timesteps(sampling.steps, device=noise.device)
    z: Tensor = noise * getattr(sampler, "init_noise_sigma", 1.0)
    scaled = getattr(sampler, "scale_model_input", lambda z, t: z)
    for t in sampler.timesteps:
        zz = scaled(z, t)
        plain, guided = predict(torch.cat([zz, zz]), t).chunk(2)
        z = sampler.step(plain + sampling.guidance * (guided - plain), t, z).prev_sample
    return z
