"""Harm that is easily overlooked: weights under changes, adapters at rest, pictures in disguise; a plug-in in order."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import peft
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from cpbench.benchmark.checks.conformance import CHECKS, SUBJECTS, ContractChecks, examine, small_task
from cpbench.methods.registry import choose


def found_by(check, make, folder):
    with ThreadPoolExecutor(1) as pool:
        return examine(check, ContractChecks(make, folder, pool))


@pytest.mark.parametrize("name", ["lora", "clora", "vera", "lora-merge"])
def test_a_base_weight_must_be_the_pretrained_one_plus_what_was_folded(name, tmp_path):
    def make(backbone, seed):
        method = choose(name, {})[0].make(backbone, seed)
        learn = method.learn

        def careless(task, watch):
            figures = learn(task, watch)
            layer = next(m for n, m in backbone.network.named_modules() if n.endswith("to_k.base_layer"))
            layer.weight.data.add_(0.01)
            return figures

        method.learn = careless
        return method

    assert "to_k" in found_by(ContractChecks.contained, make, tmp_path)


@pytest.mark.parametrize("name", ["lora", "vera", "cd", "clora", "cd-merge"])
def test_an_adapter_with_a_rate_of_zero_is_found_although_the_token_changes_the_pictures(name, tmp_path):
    settings = {"learner.rate": "0", "learner.token_rate": "0.1"} | (
        {"merge.captions": "20"} if "merge" in name else {}
    )
    assert found_by(ContractChecks.effective, choose(name, settings)[0].make, tmp_path) == "its adapter changes nothing"


def as_numbers(x):
    return torch.from_numpy(x.copy()).float()


HIDDEN = {
    "fractions": lambda x, _: as_numbers(x) / 255,
    "planes from -1 to 1 in half precision": lambda x, _: (as_numbers(x).permute(0, 3, 1, 2) / 127.5 - 1).half(),
    "bytes by plane, all in one row": lambda x, _: torch.from_numpy(x.copy()).permute(0, 3, 1, 2).flatten(),
    "latents": lambda x, backbone: backbone.encode(x),
    "latents of another scale": lambda x, backbone: 3 * backbone.encode(x).double() - 1,
}


def keep(form, folder, backbone):
    pictures = small_task(2, SUBJECTS[1]).pictures
    if form == "png":
        Image.fromarray(pictures[1]).save(folder / "memory.png")
    elif form == "npy":
        np.save(folder / "memory.npy", pictures / 255)
    else:
        save_file({"w": HIDDEN[form](pictures, backbone).contiguous()}, folder / "memory.safetensors")


@pytest.mark.parametrize("form", [*HIDDEN, "png", "npy"])
def test_pictures_kept_in_any_form_are_found(form, tmp_path):
    def make(backbone, seed):
        method = choose("lora", {})[0].make(backbone, seed)
        save = method.save
        method.save = lambda folder: (save(folder), keep(form, folder, backbone))
        return method

    assert "pictures are in its state" in found_by(ContractChecks.frugal, make, tmp_path)


class OwnModules:
    """Four verbs and its own peft modules, on the queries of cross-attention; no token, and no ``adapter``."""

    def __init__(self, backbone, seed):
        self.backbone = backbone
        config = peft.LoraConfig(r=2, target_modules=r".*attn2\.to_q", init_lora_weights=False)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            peft.get_peft_model(backbone.network, config)
        self.own = {n: p for n, p in backbone.network.named_parameters() if p.requires_grad}

    def learn(self, task, watch):
        z, t = self.backbone.encode(task.pictures), torch.tensor([500] * len(task.pictures))
        noise = torch.randn(z.shape, generator=torch.Generator().manual_seed(task.seed))
        noisy = self.backbone.add_noise(z, noise, t)
        told = self.backbone.predict(noisy, t, [f"photo of a {task.subject.noun}"] * len(z))
        loss = (told - noise).square().mean()
        for p, g in zip(self.own.values(), torch.autograd.grad(loss, list(self.own.values())), strict=True):
            p.data.sub_(g)
        return {"loss": loss.item()}

    def generate(self, prompts, seeds):
        return self.backbone.sample([p.render(lambda s: s.noun) for p in prompts], seeds)

    def save(self, folder):
        save_file({n: p.detach() for n, p in self.own.items()}, folder / "own.safetensors")

    def load(self, folder):
        for name, w in load_file(folder / "own.safetensors").items():
            self.own[name].data.copy_(w)

    def trainable(self):
        return sum(p.numel() for p in self.own.values())


class Careless(OwnModules):
    def learn(self, task, watch):
        """Moves a weight, and leaves a copy of what it was elsewhere."""
        layer = next(m for n, m in self.backbone.network.named_modules() if n.endswith("to_q.base_layer"))
        self.backbone.network.register_buffer("spare", layer.weight.detach().clone())
        layer.weight.data.add_(0.01)
        return super().learn(task, watch)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_plug_in_of_four_verbs_with_modules_of_its_own_keeps_the_contract(check, tmp_path):
    assert found_by(check, OwnModules, tmp_path) is None


def test_a_plug_in_with_modules_of_its_own_may_not_move_what_they_wrap(tmp_path):
    assert "to_q" in found_by(ContractChecks.contained, Careless, tmp_path)
