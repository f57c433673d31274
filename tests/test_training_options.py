"""What trainers of real models offer beyond a budget: each option by its equation, and none that changes a key."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from test_chain import planner

from conftest import TINY, write_suite
from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.models.loading import load_backbone
from cpbench.benchmark.plan.units import Draw
from cpbench.benchmark.protocol import Extras, Prompt, unwatched
from cpbench.benchmark.suite.concepts import (
    check_suite,
    content_hash,
    training_captions,
    training_pictures,
    training_views,
)
from cpbench.benchmark.suite.spec import Sampling, load_suite
from cpbench.methods.registry import choose
from cpbench.methods.training import draw_step, prior_of, sources_of, with_prior
from learners import CAR, CAT, drawn, learner, noise_told


def suite_with(folder, **training):
    return load_suite(str(write_suite(folder, training=TINY["training"] | training)))


@pytest.fixture
def photographs(tmp_path):
    """A suite of two folders with pictures that are wider than high, and one that is higher than wide."""
    draw = np.random.default_rng(0)
    for name in ("cat", "car"):
        (tmp_path / name).mkdir()
        for k, shape in enumerate([(48, 90, 3), (90, 48, 3), (64, 64, 3)]):
            Image.fromarray(draw.integers(0, 256, shape, np.uint8)).save(tmp_path / name / f"{k}.png")
    concepts = [{"name": f"my-{n}", "noun": n, "folder": n} for n in ("cat", "car")]

    def made(**training):
        return load_suite(str(write_suite(tmp_path, concepts=concepts, training=TINY["training"] | training)))

    made.folder = tmp_path
    return made


def test_a_suite_that_names_no_option_has_the_hash_and_the_budget_that_it_had(suite):
    assert suite.training.model_dump() == TINY["training"]
    assert suite.sampling.model_dump() == TINY["sampling"]
    assert json.loads(suite.model_dump_json())["training"] == TINY["training"]


@pytest.mark.parametrize(
    "option",
    [{"flip": True}, {"prior": {"pictures": 2}}, {"min_snr": 5}, {"noise_offset": 0.1}],
    ids=lambda option: next(iter(option)),
)
def test_an_option_changes_the_keys_of_training_for_every_method(tmp_path, suite, option):
    lora = choose("lora", {})[0]
    keys = [planner(s).run(lora, (0, 1), 0).trains[0].key for s in (suite, suite_with(tmp_path, **option))]
    assert keys[0] != keys[1]


def test_mirrored_pictures_are_half_of_those_that_updates_see(tmp_path):
    suite = suite_with(tmp_path, flip=True)
    seen, plain = training_views(suite, suite.concepts[0]), training_pictures(suite, suite.concepts[0])
    assert np.array_equal(seen[0::2], plain) and np.array_equal(seen[1::2], plain[:, :, ::-1])


def test_random_squares_are_of_the_whole_shorter_side_and_the_same_each_time(photographs):
    suite = photographs(crops=4, pictures=2)
    who = suite.concepts[0]
    seen = training_views(suite, who)
    assert seen.shape == (8, 64, 64, 3) and np.array_equal(seen, training_views(suite, who))
    assert len({one.tobytes() for one in seen}) == 8, "each picture has places to choose from"
    assert content_hash(suite, who) != content_hash(photographs(pictures=2), who)
    squares = training_views(photographs(crops=2, pictures=3), who)[4:]
    assert np.array_equal(squares[0], squares[1]), "a square picture has no other square"


def test_captions_are_read_beside_the_pictures_and_said_in_training(photographs, pristine):
    texts = ["a photo of {} on  a\ntable", "{} at night", "a drawing of {}"]
    for k, text in enumerate(texts):
        for name in ("cat", "car"):
            (photographs.folder / name / f"{k}.txt").write_text(text)
    suite = photographs(captions=True, flip=True, pictures=3)
    remarks = []
    check_suite(suite, remarks.append)
    assert not any("passed over" in remark for remark in remarks)
    captions = training_captions(suite, suite.concepts[0])
    assert captions[::2] == captions[1::2] == ("a photo of {} on a table", "{} at night", "a drawing of {}")
    made = learner("lora", pristine, CAT)
    task = replace(CAT, pictures=CAT.pictures[:2], extras=Extras(captions=captions[1:3]))
    ((_, prompts),) = sources_of(made, task)
    assert prompts == ["a photo of <mallow> cat on a table", "<mallow> cat at night"]


@pytest.mark.parametrize(("text", "fault"), [(None, "asks for a prompt in 1.txt"), ("a cat", "exactly once")])
def test_a_caption_that_is_missing_or_names_no_concept_is_refused_with_its_file(photographs, text, fault):
    for name in ("cat", "car"):
        for k in range(3):
            (photographs.folder / name / f"{k}.txt").write_text("{}")
    file = photographs.folder / "cat" / "1.txt"
    file.unlink() if text is None else file.write_text(text)
    with pytest.raises(BadInput, match=rf"1\.(png|txt).*{fault}"):
        check_suite(photographs(captions=True))


@pytest.mark.parametrize("option", ["crops", "captions"])
def test_what_only_folders_have_is_refused_for_drawn_concepts(tmp_path, option):
    with pytest.raises(BadInput, match=rf"training\.{option} is for folders"):
        check_suite(suite_with(tmp_path, **{option: 1 if option == "crops" else True}))


def test_the_prior_adds_the_mean_error_on_pictures_of_the_class_under_its_noun_times_its_weight(pristine):
    made = learner("lora", pristine, CAT)
    task = replace(CAT, extras=Extras(prior=CAR.pictures, prior_weight=0.25))
    prior, draw = prior_of(made, task), torch.Generator().manual_seed(0)
    step = with_prior(drawn(made, CAT, 3), draw_step(made.backbone, [prior], 3, draw), 0.25)
    terms = made.denoising(step)
    assert list(terms) == ["denoise", "prior"] and set(step.prior.prompts) == {"photo of a cat"}
    errors = [
        (step.prior.target[k] - noise_told(made, step.prior, k, "photo of a cat")).square().mean() for k in range(3)
    ]
    torch.testing.assert_close(terms["prior"], 0.25 * torch.stack(errors).mean())
    parts = [made.denoising(step[k : k + 1])["prior"] for k in range(3)]
    torch.testing.assert_close(torch.stack(parts).mean(), terms["prior"], msg="of a step in parts, the same")


def test_the_base_model_draws_the_prior_once_for_all_methods_before_it_is_learned(tmp_path):
    suite = suite_with(tmp_path, prior={"pictures": 3, "weight": 0.5})
    plans = [planner(suite).run(method, (0, 1), 0) for method in choose("lora,ewc", {})]
    drawn_first = [[t.prior for t in plan.trains] for plan in plans]
    assert drawn_first[0] == drawn_first[1]
    assert [(d.state, d.prompts, d.per_prompt, d.subjects[0].noun) for d in drawn_first[0]] == [
        (None, ("photo of a {}",), 3, "cat"),
        (None, ("photo of a {}",), 3, "car"),
    ]
    done = set()
    for unit in plans[0].units():
        assert set(unit.needs) <= done
        done.add(unit.key)
    assert all(d.key in done and isinstance(d, Draw) for d in drawn_first[0])


def test_noise_with_an_offset_has_the_variance_of_both_parts_and_a_mean_of_its_own_in_each_channel(pristine):
    made = learner("lora", pristine, CAT)
    extras, draw = Extras(noise_offset=0.5), torch.Generator().manual_seed(0)
    steps = [draw_step(made.backbone, sources_of(made, CAT), 64, draw, extras=extras) for _ in range(20)]
    noise = torch.cat([step.target for step in steps])
    assert noise.var().item() == pytest.approx(1 + 0.5**2, rel=0.03)
    assert noise.mean((2, 3)).var().item() == pytest.approx(0.5**2 + 1 / noise[0, 0].numel(), rel=0.05)
    plain = draw_step(made.backbone, sources_of(made, CAT), 8, torch.Generator().manual_seed(0))
    again = draw_step(
        made.backbone, sources_of(made, CAT), 8, torch.Generator().manual_seed(0), extras=Extras(noise_offset=0)
    )
    assert torch.equal(plain.noisy, again.noisy)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_weights_of_timesteps_follow_the_paper_and_are_plain_where_the_ratio_is_small(pristine, kind):
    model = pristine.copy()
    model.scheduler = type(model.scheduler).from_config(model.scheduler.config, prediction_type=kind)
    t = torch.arange(model.steps)
    share = model.scheduler.alphas_cumprod
    ratio = (share / (1 - share)).double()
    weights = model.min_snr(t, 5.0).double()
    by_hand = torch.minimum(ratio, torch.tensor(5.0)) / (ratio if kind == "epsilon" else ratio + 1)
    torch.testing.assert_close(weights, by_hand, rtol=1e-5, atol=1e-7)
    if kind == "epsilon":
        assert (weights[ratio <= 5] == 1).all() and (weights[ratio > 5] < 1).all() and (ratio > 5).any()


def test_the_loss_is_the_weighted_mean_of_the_errors_of_pictures(pristine):
    made = learner("lora", pristine, CAT)
    step = draw_step(
        made.backbone, sources_of(made, CAT), 6, torch.Generator().manual_seed(1), "low", Extras(min_snr=0.5)
    )
    told = made.backbone.predict(step.noisy, step.t, step.prompts)
    each = (told - step.target).square().mean((1, 2, 3))
    weights = made.backbone.min_snr(step.t, 0.5)
    assert weights.min() < 0.9
    torch.testing.assert_close(made.denoising(step)["denoise"], (weights * each).mean())


def test_a_negative_prompt_takes_the_place_of_the_empty_one(pristine):
    sampling = Sampling(**TINY["sampling"], negative="a car at night")
    away = pristine.resampled(sampling)
    prompts, seeds = ["photo of a cat"], [3]
    assert not np.array_equal(away.sample(prompts, seeds), pristine.sample(prompts, seeds))
    seen = []
    away.embed = lambda texts, params=None: seen.append(list(texts)) or pristine.embed(texts, params)
    away.sample(prompts, seeds)
    assert seen == [["a car at night", "photo of a cat"]]


METHODS = ["lora", "vera", "cd", "olora", "ewc", "dsc", "cd-merge", "independent"]


@pytest.mark.parametrize("name", METHODS)
def test_at_strength_0_a_method_draws_what_the_base_model_does_with_its_tokens_and_at_1_what_it_did(name, pristine):
    from test_memory import short

    made = learner(name, pristine, CAT, **short(name))
    made.learn(CAR, unwatched)
    asked = [Prompt("photo of a {}", (CAR.subject,))], [5]
    plain, sampling = made.generate(*asked), made.backbone.sampling

    def at(strength):
        made.backbone = made.backbone.resampled(sampling.model_copy(update={"strength": strength}))
        return made.generate(*asked)

    bare = pristine.copy()
    for token, rows in made.backbone.tokens.items():
        bare.add_token(token, [row.detach() for row in rows])
    base = bare.sample(["photo of a <rumble> car"], [5])
    assert np.array_equal(at(1.0), plain)
    assert np.abs(at(0.0).astype(int) - base).max() <= 1
    assert not np.array_equal(at(0.5), plain)


def test_a_lora_of_all_attention_or_with_text_encoders_trains_these_layers_and_comes_back_from_a_file(
    pristine, tmp_path
):
    for settings, part in (
        ({"lora__targets": "attention"}, ".attn1.to_q."),
        ({"lora__text": "true"}, "self_attn.k_proj"),
    ):
        made = learner("lora", pristine, CAT, lora__rank=8, **settings)
        own = {name: p for name, p in made.adapter.params.items() if part in name and "lora_B" in name}
        assert own and all(p.abs().sum() > 0 for p in own.values())
        folder = tmp_path / part.strip(".")
        folder.mkdir()
        made.save(folder)
        again = learner("lora", pristine, lora__rank=8, **settings)
        again.load(folder)
        asked = [Prompt("photo of a {}", (CAT.subject,))], [1]
        assert np.array_equal(made.generate(*asked), again.generate(*asked))


def test_options_that_came_later_are_in_no_key_where_they_have_their_defaults():
    assert set(choose("lora", {})[0].options["lora"]) == {"rank", "alpha"}
    assert choose("lora", {"lora.targets": "attention"})[0].options["lora"]["targets"] == "attention"


def test_methods_that_compare_models_under_one_reading_refuse_a_text_encoder_that_changes(pristine):
    from cpbench.methods.build import check_fit

    check_fit(choose("lora", {"lora.text": "true"})[0].options, pristine, "photo of a {}", 2)
    with pytest.raises(BadInput, match=r"lora\.text: dsc"):
        check_fit(choose("dsc", {"lora.text": "true"})[0].options, pristine, "photo of a {}", 2)


def test_a_model_without_a_ratio_of_signal_and_noise_refuses_to_weigh_by_it(tmp_path):
    from pipelines import sd3, written

    _, folder = written(tmp_path, sd3)
    model = load_backbone(folder, Sampling(**TINY["sampling"]))
    with pytest.raises(BadInput, match=r"training\.min_snr"):
        model.min_snr(torch.tensor([1]), 5)
