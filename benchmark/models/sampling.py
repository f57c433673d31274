"""Samplers: from noise to latents, with classifier-free guidance. Training uses nothing of this module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler
from torch import Tensor

from ..suite.spec import Sampling

SAMPLERS = {"ddim": DDIMScheduler, "dpm++": DPMSolverMultistepScheduler}


def denoised(sampling: Sampling, schedule: Any, noise: Tensor, predict: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Latents (n, c, h, w) from standard normal noise of the same shape.

    ``schedule`` is the configuration of the model's noise schedule. ``predict(z, t)`` is the output of the network for
    (2n, c, h, w): with the empty prompts, then with the prompts. Guidance as in Ho & Salimans (arXiv 2207.12598).
    """
    sampler = SAMPLERS[sampling.sampler].from_config(schedule)
    sampler.set_timesteps(sampling.steps, device=noise.device)
    z: Tensor = noise * sampler.init_noise_sigma
    for t in sampler.timesteps:
        zz = sampler.scale_model_input(z, t)
        plain, guided = predict(torch.cat([zz, zz]), t).chunk(2)
        z = sampler.step(plain + sampling.guidance * (guided - plain), t, z).prev_sample
    return z
