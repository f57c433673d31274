"""Pictures of two subjects that were learned by adapters of their own."""

import numpy as np
import pytest
import torch

from cpbench.benchmark.models import latent as drawing
from cpbench.benchmark.models.sampling import denoised
from cpbench.benchmark.protocol import Prompt
from cpbench.methods.catalogue import CATALOGUE
from learners import CAR, CAT, learner, randomised

BOTH = Prompt("photo of a {} and a {}", (CAT.subject, CAR.subject))
TEXT = "photo of a <mallow> cat and a <rumble> car"
ROWS = {"sum": "independent", "average": "lora-compose", "first": "independent"}


@pytest.fixture
def composed(pristine):
    def make(compose):
        given = {"independent__compose": compose} if compose == "first" else {}
        made = learner(ROWS[compose], pristine, CAT, CAR, **given)
        for seed, name in enumerate(("mallow", "rumble")):
            randomised(made.adapter, seed, 0.05)
            made.consolidations[0].own[name] = made.adapter.state()
        randomised(made.adapter, 9)
        return made

    return make


def test_a_single_subject_is_drawn_alike_to_the_last_bit_however_several_are_composed(composed):
    prompts = [Prompt("photo of a {}", (one.subject,)) for one in (CAT, CAR, CAT)]
    first, *others = [composed(how).generate(prompts, [1, 2, 3]) for how in ("first", "sum", "average")]
    assert all(np.array_equal(first, other) for other in others)


def test_first_draws_with_the_adapter_of_the_first_subject_alone(composed):
    made = composed("first")
    expected = made.backbone.sample([TEXT], [1], made.consolidations[0].own["mallow"])
    assert np.array_equal(made.generate([BOTH], [1]), expected)


def test_sum_draws_with_the_base_weights_plus_both_changes(composed):
    made = composed("sum")
    (given,) = made.consolidations[0].override(made, BOTH.subjects)
    changes = []
    for name in ("mallow", "rumble"):
        made.adapter.restore(made.consolidations[0].own[name])
        changes.append({layer: w.detach() for layer, w in made.adapter.delta().items()})
    for layer, w in made.adapter.base().items():
        torch.testing.assert_close(given[f"unet.{layer}.base_layer.weight"], w + changes[0][layer] + changes[1][layer])
    drawn = made.generate([BOTH], [1])
    made.adapter.place({layer: changes[0][layer] + changes[1][layer] for layer in changes[0]})
    assert np.abs(made.backbone.sample([TEXT], [1]).astype(int) - drawn).max() <= 1


def latents_of(model, draw):
    found, decode = [], model.decode
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(model, "decode", lambda z: found.append(z) or decode(z))
        draw()
    return torch.cat(found)


def test_average_means_the_noise_of_both_adapters_at_every_step_before_guidance(composed):
    made = composed("average")
    model, own = made.backbone, made.consolidations[0].own
    sampling = model.sampling

    def predicted(zz, t):
        """The guided noise of each adapter, averaged, as two equal halves: then guidance changes nothing."""
        guided = []
        for weights in own.values():
            plain, full = model._predicted(zz, t, model.embed(["", TEXT], weights), weights).chunk(2)
            guided.append(plain + sampling.guidance * (full - plain))
        mean = (guided[0] + guided[1]) / 2
        return torch.cat([mean, mean])

    with torch.no_grad():
        noise = model.initial_noise(1)[None]
        expected = denoised(sampling, model.schedule, noise, predicted)
    drawn = latents_of(model, lambda: made.generate([BOTH], [1]))
    torch.testing.assert_close(drawn, expected, atol=1e-4, rtol=1e-4)
    alone = latents_of(model, lambda: model.sample([TEXT], [1], own["mallow"]))
    assert not torch.allclose(drawn, alone, atol=1e-3)


@pytest.mark.parametrize("how", ROWS)
def test_keys_computed_once_belong_to_the_weights_that_made_them(how, composed, monkeypatch):
    from contextlib import nullcontext

    made = composed(how)
    once = latents_of(made.backbone, lambda: made.generate([BOTH, BOTH], [1, 2]))
    monkeypatch.setattr(drawing, "text_keys_once", lambda unet, *states: nullcontext())
    assert torch.equal(once, latents_of(made.backbone, lambda: made.generate([BOTH, BOTH], [1, 2])))


def test_weights_given_twice_average_to_the_same_latents(composed):
    made = composed("average")
    own = made.consolidations[0].own["mallow"]
    one, two = (
        latents_of(made.backbone, lambda given=given: made.backbone.sample([TEXT], [1], *given))
        for given in ([own], [own, own])
    )
    assert torch.equal(one, two)


def test_all_adapters_of_one_prompt_are_an_upper_bound():
    assert CATALOGUE["lora-compose"].bound and CATALOGUE["independent"].bound
