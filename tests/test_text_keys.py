"""Keys and values of the prompts are computed once per draw, and every picture stays the same to the last bit."""

from collections import Counter
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor2_0
from torch import nn

from cpbench.benchmark.models import latent as drawing
from cpbench.benchmark.models.text_keys import text_keys_once
from cpbench.benchmark.protocol import Prompt, Question, Subject
from learners import CAR, CAT, learner, randomised

PROMPTS, SEEDS = ["a cat", "a dog at night", "a car"], [1, 2, 3]


def keys_of(unet):
    """The layers that make keys and values of prompts."""
    return [m for n, m in unet.named_modules() if n.endswith(("attn2.to_k", "attn2.to_v"))]


def base_of(layer):
    return getattr(layer, "base_layer", layer)


def with_sampling(model, **changes):
    return replace(model, sampling=model.sampling.model_copy(update=changes))


def draw_all(model):
    return model.sample(PROMPTS, SEEDS)


def assert_unchanged(model, draw=draw_all):
    """Latents are what they are where nothing is reused, to the last bit, and nothing is left in the network."""
    found, decoded = [], model.decoded
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(model, "decoded", lambda latents: found.append(latents) or decoded(latents))
        draw(model)
        assert not any("forward" in vars(m) for m in keys_of(model.network))
        patched.setattr(drawing, "text_keys_once", lambda unet, states: nullcontext())
        draw(model)
    now, before = found[: len(found) // 2], found[len(found) // 2 :]
    assert now
    assert all(torch.equal(a, b) for a, b in zip(now, before, strict=True))


def passes(model, weights, draw=draw_all):
    """How often each weight multiplies its input."""
    counted, linear = Counter(), nn.functional.linear
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(nn.functional, "linear", lambda x, w, b=None: counted.update([w]) or linear(x, w, b))
        draw(model)
    return {counted[w] for w in weights}


@pytest.mark.parametrize("sampler", ["ddim", "dpm++"])
@pytest.mark.parametrize("name", ["ti", "lora", "vera", "cd"])
def test_with_every_adapter_each_layer_computes_once_per_batch_and_latents_are_the_same(name, sampler, pristine):
    made = learner(name, pristine, CAT)
    randomised(made.adapter, 3)
    model = with_sampling(made.backbone, sampler=sampler, steps=4, batch=2, guidance=1.0 if name == "ti" else 2.5)
    assert_unchanged(model, lambda m: m.sample(["a <mallow> cat", *PROMPTS[:2]], SEEDS))
    weights = [base_of(m).weight for m in keys_of(model.network)]
    if name == "lora":
        weights += [m.lora_B["default"].weight for m in keys_of(model.network)]
    assert passes(model, weights) == {2}, "3 pictures are 2 batches"


@pytest.mark.parametrize("name", ["lora", "cd"])
def test_weights_given_for_one_draw_are_used_and_not_kept_for_the_next(name, pristine):
    made = learner(name, pristine, CAT)
    params = randomised(made.adapter, 3)
    randomised(made.adapter, 4)
    for given in (params, None, {k: 2 * w for k, w in params.items()}):
        assert_unchanged(made.backbone, lambda m, given=given: m.sample(PROMPTS, SEEDS, given))


def test_every_concept_of_a_method_with_a_pool_is_drawn_by_its_own_weights(pristine):
    made = learner("independent", pristine, CAT, CAR)
    prompts = [Prompt("photo of a {}", (one.subject,)) for one in (CAT, CAR, CAT)]
    assert_unchanged(made.backbone, lambda _: made.generate(prompts, SEEDS))


def test_under_mixed_precision_latents_are_the_same(pristine):
    made = learner("lora", pristine, CAT)
    randomised(made.adapter, 3)
    made.backbone.dtype = torch.bfloat16
    assert_unchanged(made.backbone)


CALLS = []


def turns(value):
    """A value that depends on how often this was called."""
    CALLS.append(value)
    return value * (1 + len(CALLS) % 3)


class Own(nn.Linear):
    """A layer of another package that counts its calls."""

    def forward(self, x):
        return turns(super().forward(x))


class OwnAttention(AttnProcessor2_0):
    """An attention of another package that counts its calls."""

    def __call__(self, attn, *args, **options):
        attn.to_k.set_scale("default", turns(1.0))
        return super().__call__(attn, *args, **options)


def hook_key(unet):
    base_of(keys_of(unet)[0]).register_forward_hook(lambda module, inputs, output: turns(output))


def hook_elsewhere(unet):
    layer = next(m for n, m in unet.named_modules() if n.endswith("attn1.to_q"))
    layer.register_forward_hook(lambda module, inputs, output: turns(output))


def scale_by_time(unet):
    def before(module, inputs):
        for layer in keys_of(unet):
            layer.set_scale("default", inputs[1].item() / 500)

    unet.register_forward_pre_hook(before)


def replace_class(unet):
    layer = keys_of(unet)[1]
    own = Own(layer.in_features, layer.out_features, bias=False)
    own.load_state_dict(layer.base_layer.state_dict())
    layer.base_layer = own


def replace_forward(unet):
    layer = base_of(keys_of(unet)[2])
    forward = layer.forward
    layer.forward = lambda x: turns(forward(x))


def replace_attention(unet):
    attention = next(m for n, m in unet.named_modules() if n.endswith("attn2"))
    attention.set_processor(OwnAttention())


def drop_out(unet):
    keys_of(unet)[0].lora_dropout["default"] = nn.Dropout(0.5).train()


CHANGES = [hook_key, hook_elsewhere, scale_by_time, replace_class, replace_forward, replace_attention, drop_out]


@pytest.mark.parametrize("change", CHANGES)
def test_a_network_that_another_package_changes_from_step_to_step_is_computed_as_ever(change, pristine, monkeypatch):
    made = learner("lora", pristine, CAT)
    randomised(made.adapter, 3)
    found = []
    for patched in (False, True):
        model = with_sampling(made.backbone.copy(), steps=4)
        change(model.network)
        CALLS.clear()
        torch.manual_seed(0)
        if patched:
            monkeypatch.setattr(drawing, "text_keys_once", lambda unet, states: nullcontext())
        monkeypatch.setattr(model, "decode", found.append)
        with torch.no_grad():
            model._batch(PROMPTS, SEEDS, None)
    assert torch.equal(*found)
    assert found[0].isfinite().all()


def test_nothing_is_left_after_an_exception_in_the_middle_of_a_draw(backbone, monkeypatch):
    first, raw, calls = backbone.sample(PROMPTS, SEEDS), backbone._predicted, []

    def failing(*args):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return raw(*args)

    monkeypatch.setattr(backbone, "_predicted", failing)
    with pytest.raises(KeyboardInterrupt):
        backbone.sample(PROMPTS, SEEDS)
    assert not any("forward" in vars(m) for m in backbone.network.modules())
    with torch.no_grad():
        for layer in keys_of(backbone.network):
            layer.weight.mul_(2)
    monkeypatch.undo()
    assert_unchanged(backbone)
    assert (backbone.sample(PROMPTS, SEEDS) != first).any(), "the new weights are used"


def test_other_inputs_than_the_prompts_are_computed_each_time_and_gradients_are_as_ever(pristine):
    made = learner("lora", pristine, CAT)
    randomised(made.adapter, 3)
    params, draw = list(made.adapter.params.values()), torch.Generator().manual_seed(0)
    z, t = torch.randn(2, 4, 8, 8, generator=draw), torch.tensor([100, 900])

    def gradients():
        return torch.autograd.grad(made.backbone.predict(z, t, PROMPTS[:2]).square().mean(), params)

    before = gradients()
    made.generate([Prompt("photo of a {}", (CAT.subject,))], [1])
    states = made.backbone.embed(PROMPTS[:2])
    with text_keys_once(made.backbone.network, states.states):
        within = gradients()
    assert all(torch.equal(a, b) and torch.equal(a, c) for a, b, c in zip(before, within, gradients(), strict=True))


def errors_and_passes(made, k):
    """Errors among ``k`` candidates, 8 questions of each in batches of 4, and the passes of each layer."""
    made.backbone = with_sampling(made.backbone, batch=4)
    subjects = [CAT.subject, CAR.subject, *(Subject("", noun) for noun in ("dog", "cup", "bird"))][:k]
    prompts = [Prompt("photo of a {}", (one,)) for one in subjects]
    asked = [Question(i, p, t, 1000 * i + t) for i in range(2) for t in (125, 500, 625, 875) for p in prompts]
    weights, found = [base_of(m).weight for m in keys_of(made.backbone.network)], []
    return passes(made.backbone, weights, lambda _: found.append(made.explain(CAT.pictures, asked))), found[0]


@pytest.mark.parametrize(
    ("k", "once", "each"),
    [(1, {1}, {2}), (2, {1}, {4}), (3, {3}, {6}), pytest.param(5, {4 + 2}, {10}, id="4 kinds of batches are kept")],
)
def test_a_classifier_computes_repeated_batches_of_prompts_once_and_errors_are_the_same(k, once, each, pristine):
    made = learner("lora", pristine, CAT, CAR)
    randomised(made.adapter, 3)
    now = errors_and_passes(made, k)
    made.backbone.readers[0].encoder.register_forward_hook(lambda module, inputs, output: None)
    before = errors_and_passes(made, k)
    assert (now[0], before[0]) == (once, each), "with a hook, prompts are encoded each time"
    assert (now[1] == before[1]).all()


def test_a_classifier_uses_the_weights_of_each_concept(pristine, monkeypatch):
    made = learner("independent", pristine, CAT, CAR)
    now = errors_and_passes(made, 2)[1]
    monkeypatch.setattr(drawing, "repeated", lambda texts, text: [])
    assert (errors_and_passes(made, 2)[1] == now).all()
