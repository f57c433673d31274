"""Loads exported states as their READMEs say, in a process without cpbench, and writes the latents that they draw.

Usage: python export_child.py FOLDER: every folder in it that has ``ask.json`` is one case.
"""

import json
import os
import re
import sys
import warnings
from pathlib import Path

import torch
from diffusers import DDIMScheduler
from diffusers.utils import logging
from safetensors.torch import load_file, save_file

warnings.simplefilter("ignore")
logging.set_verbosity_error()
torch.set_num_threads(1)


def loaded(readme, without_vae):
    """The pipeline as the Python of a README loads it; the last line draws and saves a picture."""
    code = re.search(r"```python\n(.*?)```", readme, re.DOTALL).group(1).strip().splitlines()
    assert ".images[0].save(" in code[-1]
    names = {}
    text = "\n".join(code[:-1])
    if without_vae:  # as the README of an embedded model says
        text = re.sub(r"from_pretrained\(([^)]*)\)", r"from_pretrained(\1, vae=None)", text, count=1)
    exec(text, names)
    return names["pipe"]


def main(top):
    for ask in sorted(Path(top).glob("*/ask.json")):
        os.chdir(ask.parent)
        asked = json.loads(ask.read_text())
        pipe = loaded(Path("README.md").read_text(), asked["without_vae"])
        pipe.set_progress_bar_config(disable=True)
        pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, clip_sample=False, steps_offset=1)
        noise = load_file("noise.safetensors")["noise"]
        size = {"height": asked["size"], "width": asked["size"]}
        found = pipe(
            [asked["prompt"]] * len(noise), latents=noise, num_inference_steps=asked["steps"],
            guidance_scale=asked["guidance"], output_type="latent", **size,
        )  # fmt: skip
        save_file({"latents": found.images.contiguous()}, "latents.safetensors")
    assert "cpbench" not in sys.modules


if __name__ == "__main__":
    main(sys.argv[1])
