"""What cannot work is refused with a sentence: parts that undo one another, and models of another kind."""

import json
from pathlib import Path

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    DDPMScheduler,
    EulerDiscreteScheduler,
    LMSDiscreteScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)

from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.models.loading import load_backbone
from cpbench.benchmark.protocol import unwatched
from cpbench.benchmark.toybox.parts import TINY, build_parts
from cpbench.methods.adapters.low_rank import Lora, LoraOptions
from cpbench.methods.consolidations.clora import Clora, CloraOptions
from cpbench.methods.consolidations.dsc import Dsc, DscOptions
from cpbench.methods.consolidations.ewc import Ewc, EwcOptions
from cpbench.methods.consolidations.independent import Independent, IndependentOptions
from cpbench.methods.consolidations.l2 import L2, L2Options
from cpbench.methods.consolidations.lwf import Lwf, LwfOptions
from cpbench.methods.consolidations.merge import Merge, MergeOptions
from cpbench.methods.consolidations.olora import Olora, OloraOptions
from cpbench.methods.consolidations.replay import Replay, ReplayOptions
from cpbench.methods.consolidations.ziplora import Zip, ZipOptions
from cpbench.methods.learner import Learner
from learners import CAR, CAT, drawn, learner

FOLDING = [Clora(CloraOptions()), Olora(OloraOptions()), Merge(MergeOptions()), Zip(ZipOptions())]
RECALLING = [
    Dsc(DscOptions()),
    Ewc(EwcOptions()),
    Independent(IndependentOptions()),
    L2(L2Options()),
    Lwf(LwfOptions()),
]


def learner_of(pristine, *parts):
    mine = pristine.copy()
    return Learner(mine, 0, Lora(mine, 0, LoraOptions()), parts)


@pytest.mark.parametrize("folding", FOLDING, ids=lambda c: c.name)
@pytest.mark.parametrize("recalling", RECALLING, ids=lambda c: c.name)
def test_what_recalls_adapters_does_not_go_with_what_folds_them_away(folding, recalling, pristine):
    for parts in ((folding, recalling), (recalling, folding)):
        with pytest.raises(BadInput, match=rf"{folding.name} folds .* {recalling.name} needs the adapters of earlier"):
            learner_of(pristine, *parts)


def test_two_that_fold_are_refused_and_other_pairs_go_together(pristine):
    with pytest.raises(BadInput, match=r"clora folds .* olora does so too; choose one"):
        learner_of(pristine, *FOLDING[:2])
    for parts in ((RECALLING[0], RECALLING[1]), (FOLDING[0], Replay(ReplayOptions())), (FOLDING[2],)):
        assert learner_of(pristine, *parts).consolidations == parts


def test_a_pool_of_folded_adapters_would_teach_the_wrong_function(pristine):
    """Why it is refused: overriding the factors of a state leaves the base weights that were folded later."""
    made = learner("clora", pristine, CAT, learner__rate=0.05)
    step, state = drawn(made, CAT), made.adapter.state()
    found = []
    for task in (CAR, None):
        with torch.no_grad():
            found.append(made.backbone.predict(step.noisy, step.t, ["photo of a cat"] * 2, state))
        if task:
            made.learn(task, unwatched)
    assert not torch.allclose(*found, atol=1e-3)


def pipeline(folder, scheduler=None, **unet):
    """A tiny model in diffusers' layout."""
    parts = build_parts(TINY, seed=0)
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8,) * 4,
        norm_num_groups=4,
        latent_channels=4,
    )
    net = UNet2DConditionModel.from_config(parts.unet.config, **unet) if unet else parts.unet
    StableDiffusionPipeline(
        vae=vae,
        text_encoder=parts.text,
        tokenizer=parts.tokenizer,
        unet=net,
        scheduler=scheduler(**SCHEDULE) if scheduler else parts.scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)
    return str(folder)


SCHEDULE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
SDXL = {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 80,
}


@pytest.mark.parametrize(
    ("unet", "reason"),
    [
        (SDXL, "UNet needs more input than text: text_time"),
        ({"cross_attention_dim": 48}, "width 48, .* 32"),
        ({"in_channels": 9}, "9 channels, .* 4"),
    ],
)
def test_a_model_of_another_kind_is_refused_with_the_reason(unet, reason, pristine, tmp_path):
    with pytest.raises(BadInput, match=reason):
        load_backbone(pipeline(tmp_path, **unet), pristine.sampling)


@pytest.mark.parametrize("kind", [None, EulerDiscreteScheduler, LMSDiscreteScheduler])
def test_noise_is_added_as_in_training_whatever_sampler_a_model_ships_with(kind, pristine, tmp_path):
    mine = load_backbone(pipeline(tmp_path, kind), pristine.sampling)
    z, noise, t = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8), torch.tensor([10, 900])
    a = DDPMScheduler(**SCHEDULE).alphas_cumprod[t].view(-1, 1, 1, 1)
    torch.testing.assert_close(mine.add_noise(z, noise, t), a.sqrt() * z + (1 - a).sqrt() * noise)
    assert mine.sample(["photo of a cat"], [1]).shape == (1, 64, 64, 3)
    assert learner("lora", mine, CAT).known


def test_models_with_the_same_weights_and_another_noise_or_scale_are_not_the_same_model(pristine, tmp_path):
    folder = Path(pipeline(tmp_path))
    plain, found = load_backbone(str(folder), pristine.sampling).weights, {}
    for file, name, value in (
        ("scheduler/scheduler_config.json", "prediction_type", "v_prediction"),
        ("scheduler/scheduler_config.json", "beta_end", 0.02),
        ("scheduler/scheduler_config.json", "use_karras_sigmas", True),
        ("unet/config.json", "norm_eps", 1e-4),
        ("text_encoder/config.json", "hidden_act", "gelu"),
        ("vae/config.json", "scaling_factor", 0.5),
    ):
        text = (folder / file).read_text()
        (folder / file).write_text(json.dumps(json.loads(text) | {name: value}))
        found[name] = load_backbone(str(folder), pristine.sampling).weights
        (folder / file).write_text(text)
    assert len({plain, *found.values()}) == 7
    assert load_backbone(str(folder), pristine.sampling).weights == plain


def test_times_are_drawn_from_all_steps_that_the_model_was_trained_with(pristine):
    made = learner("lora", pristine)
    made.backbone.scheduler = DDPMScheduler(num_train_timesteps=50, **SCHEDULE)
    t = drawn(made, CAT, n=500).t
    assert t.min() == 0 and t.max() == 49
