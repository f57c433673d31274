"""The frozen backbone: tokens, overrides, sampling, and both kinds of prediction."""

import numpy as np
import pytest
import torch

from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.models.weights import hash_weights


def test_a_new_token_changes_no_old_embedding(backbone):
    ids = backbone.readers[0].tokenizer("photo of a cat", return_tensors="pt").input_ids
    before = backbone.readers[0].encoder.get_input_embeddings()(ids)
    backbone.add_token("<mallow>", [torch.ones(32)])
    assert torch.equal(backbone.readers[0].encoder.get_input_embeddings()(ids), before)


def test_a_token_is_read_wherever_it_stands_in_a_prompt(backbone):
    backbone.add_token("<mallow>", [torch.ones(32)])
    backbone.add_token("<rumble>", [torch.zeros(32)])
    ids = backbone.readers[0].tokenizer("a <rumble> cat and <mallow>", return_tensors="pt").input_ids
    rows = backbone.readers[0].encoder.get_input_embeddings()(ids)[0]
    assert torch.equal(rows[2], torch.zeros(32))
    assert torch.equal(rows[5], torch.ones(32))


def test_the_same_token_twice_is_refused(backbone):
    backbone.add_token("<mallow>", [torch.ones(32)])
    with pytest.raises(BadInput, match="'<mallow>' is already"):
        backbone.add_token("<mallow>", [torch.ones(32)])


def test_gradients_reach_the_new_token_and_nothing_else(backbone):
    [row] = backbone.add_token("<mallow>", [torch.ones(32)])
    z, t = torch.randn(1, 4, 8, 8), torch.tensor([500])
    backbone.predict(z, t, ["photo of a <mallow>"]).square().mean().backward()
    assert row.grad is not None
    assert row.grad.abs().sum() > 0
    others = [p for m in (backbone.network, backbone.readers[0].encoder) for p in m.parameters() if p is not row]
    assert all(p.grad is None for p in others)


def test_a_copy_can_be_changed_and_the_original_stays(pristine):
    before = hash_weights({"unet": pristine.network, "text": pristine.readers[0].encoder})
    mine = pristine.copy()
    with torch.no_grad():
        next(mine.network.parameters()).add_(1)
    mine.add_token("<mallow>", [torch.ones(32)])
    assert hash_weights({"unet": pristine.network, "text": pristine.readers[0].encoder}) == before


def test_an_override_replaces_weights_for_one_call_only(backbone):
    z, t, text = torch.randn(1, 4, 8, 8), torch.tensor([500]), ["a cat"]
    with torch.no_grad():
        plain = backbone.predict(z, t, text)
        zero = {"unet.conv_out.weight": torch.zeros_like(backbone.network.conv_out.weight)}
        other = backbone.predict(z, t, text, zero)
        assert not torch.allclose(plain, other)
        assert torch.equal(backbone.predict(z, t, text), plain)


def test_an_override_under_gradients_is_refused_with_a_sentence(backbone):
    with pytest.raises(RuntimeError, match=r"torch\.no_grad\(\)"):
        backbone.predict(torch.randn(1, 4, 8, 8), torch.tensor([500]), ["a cat"], {})


def test_a_picture_depends_on_its_prompt_and_seed_and_not_on_its_batch(backbone):
    prompts, seeds = ["a cat", "a dog", "a car"], [1, 2, 3]
    together = backbone.sample(prompts, seeds).astype(int)
    alone = backbone.sample(prompts[1:2], seeds[1:2]).astype(int)
    assert np.abs(together[1] - alone[0]).max() <= 1, "only the last bit of floating point may differ"
    assert np.array_equal(backbone.sample(prompts, seeds), together)
    assert not np.array_equal(backbone.sample(["a cat"], [2]), backbone.sample(["a cat"], [1]))


def test_a_prompt_too_long_for_the_text_encoder_is_refused_not_cut(backbone):
    with pytest.raises(BadInput, match=r"longer than 32 tokens"):
        backbone.embed(["a cat " * 40])


def test_a_model_that_predicts_velocity_learns_velocity(backbone):
    """The error of v is that of ε divided by ᾱ_t: at one prediction, both losses agree up to this factor."""
    z, noise, t = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8), torch.tensor([100, 900])
    assert torch.equal(backbone.target(z, noise, t), noise)
    with torch.no_grad():
        told = backbone.predict(z, t, ["a cat"] * 2)
    backbone.scheduler = type(backbone.scheduler).from_config(backbone.scheduler.config, prediction_type="v_prediction")
    a = backbone.scheduler.alphas_cumprod[t].view(-1, 1, 1, 1)
    v, noisy = backbone.target(z, noise, t), backbone.add_noise(z, noise, t)
    torch.testing.assert_close(v, a.sqrt() * noise - (1 - a).sqrt() * z)
    with torch.no_grad():
        assert torch.equal(backbone.predict(z, t, ["a cat"] * 2), told), "nothing is converted"
    eps = a.sqrt() * told + (1 - a).sqrt() * noisy
    torch.testing.assert_close((told - v).square() * a, (eps - noise).square(), rtol=1e-3, atol=1e-5)


def test_pictures_survive_the_codec_interface(backbone):
    pictures = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    latents = backbone.encode(pictures)
    assert latents.shape == (2, 4, 8, 8)
    assert backbone.decode(latents).shape == pictures.shape


def test_a_stable_diffusion_pipeline_accepts_the_parts(backbone):
    from cpbench.benchmark.export.merged import base_pipeline

    pipe = base_pipeline("tiny")
    pipe.set_progress_bar_config(disable=True)
    out = pipe("photo of a cat", num_inference_steps=2, output_type="np", generator=torch.Generator().manual_seed(0))
    assert out.images.shape == (1, 64, 64, 3)
