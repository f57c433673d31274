"""The contract of every method of the catalogue, on the tiny backbone."""

import numpy as np
import pytest
import torch

from conftest import task
from cpbench.benchmark.backbone import hash_weights
from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.protocol import Prompt, Subject, unwatched
from cpbench.methods.catalog import CATALOGUE
from cpbench.methods.low_rank import Lora, LoraOptions
from cpbench.methods.registry import choose

LEARNING = [name for name, row in CATALOGUE.items() if row.adapter]
CAT, CAR = task(1, "cat", "mallow"), task(2, "car", "rumble")
PROMPTS = [Prompt("photo of a {}", (t.subject,)) for t in (CAT, CAR)]


def make(name, backbone, **settings):
    few = {"dsc.iterations": "2"} if "dsc" in name else {}
    (chosen,) = choose(name, few | settings)
    return chosen.make(backbone, 7)


def taught(name, pristine, folder, tasks=(CAT, CAR)):
    """A method taught task by task as the runner does it: saved, and loaded into a new object, in between."""
    last = None
    for t in tasks:
        method = make(name, pristine.copy())
        if last is not None:
            method.load(last)
        method.learn(t, unwatched)
        last = folder / f"after-{t.number}"
        last.mkdir(parents=True)
        method.save(last)
    return method, last


@pytest.mark.parametrize("name", LEARNING)
def test_what_is_saved_and_loaded_draws_the_same_pictures(name, pristine, tmp_path):
    method, folder = taught(name, pristine, tmp_path)
    again = make(name, pristine.copy())
    again.load(folder)
    assert np.array_equal(again.generate(PROMPTS, [1, 2]), method.generate(PROMPTS, [1, 2]))


@pytest.mark.parametrize("name", LEARNING)
def test_the_same_seed_learns_the_same_pictures(name, pristine, tmp_path):
    a, _ = taught(name, pristine, tmp_path / "a")
    b, _ = taught(name, pristine, tmp_path / "b")
    assert np.array_equal(a.generate(PROMPTS, [1, 2]), b.generate(PROMPTS, [1, 2]))


@pytest.mark.parametrize("name", LEARNING)
def test_two_tasks_leave_no_nan_and_change_what_is_drawn(name, pristine, tmp_path):
    method, folder = taught(name, pristine, tmp_path)
    from safetensors.torch import load_file

    for file in folder.glob("*.safetensors"):
        assert all(torch.isfinite(v).all() for v in load_file(file).values())
    base = pristine.sample(["photo of a cat", "photo of a car"], [1, 2])
    assert not np.array_equal(method.generate(PROMPTS, [1, 2]), base)


@pytest.mark.parametrize("name", LEARNING)
def test_tokens_of_earlier_tasks_are_bit_identical(name, pristine, tmp_path):
    from safetensors.torch import load_file

    taught(name, pristine, tmp_path)
    first, second = (load_file(tmp_path / f"after-{n}" / "tokens.safetensors") for n in (1, 2))
    assert torch.equal(first["<mallow>"], second["<mallow>"])
    assert set(second) == {"<mallow>", "<rumble>"}


@pytest.mark.parametrize("name", LEARNING)
def test_nothing_but_the_adapter_and_the_token_moves(name, pristine):
    mine = pristine.copy()
    method = make(name, mine)
    folded = {f"unet.{name}.base_layer.weight" for name in getattr(method.adapter, "layers", {})}

    def weights():
        return {f"{m}.{k}": v for m in ("unet", "text", "codec") for k, v in getattr(mine, m).state_dict().items()}

    moving = {*method.adapter.params, *folded}
    frozen = {k: v.clone() for k, v in weights().items() if k not in moving and ".rows." not in k}
    method.learn(CAT, unwatched)
    now = weights()
    assert all(torch.equal(now[key], value) for key, value in frozen.items())
    assert len(frozen) > 50


@pytest.mark.parametrize("name", LEARNING)
def test_the_pristine_backbone_is_never_touched(name, pristine, tmp_path):
    before = hash_weights({"unet": pristine.unet, "text": pristine.text})
    taught(name, pristine, tmp_path)
    assert hash_weights({"unet": pristine.unet, "text": pristine.text}) == before


def test_textual_inversion_leaves_the_drawing_of_an_earlier_concept_as_it_was(pristine, tmp_path):
    once, _ = taught("ti", pristine, tmp_path / "one", [CAT])
    twice, _ = taught("ti", pristine, tmp_path / "two")
    assert np.array_equal(once.generate(PROMPTS[:1], [1]), twice.generate(PROMPTS[:1], [1]))


def test_independent_draws_an_earlier_concept_as_it_was(pristine, tmp_path):
    once, _ = taught("independent", pristine, tmp_path / "one", [CAT])
    twice, _ = taught("independent", pristine, tmp_path / "two")
    assert np.array_equal(once.generate(PROMPTS[:1], [1]), twice.generate(PROMPTS[:1], [1]))


def test_one_lora_does_change_the_drawing_of_an_earlier_concept(pristine, tmp_path):
    once, _ = taught("lora", pristine, tmp_path / "one", [CAT])
    twice, _ = taught("lora", pristine, tmp_path / "two")
    assert not np.array_equal(once.generate(PROMPTS[:1], [1]), twice.generate(PROMPTS[:1], [1]))


def test_clora_says_the_token_alone_and_the_others_say_token_and_noun(pristine):
    for name, expected in (("clora", "<mallow>"), ("lora", "<mallow> cat")):
        method = make(name, pristine.copy())
        assert method.say(CAT.subject) == "cat", "before it is learned, a subject is its noun"
        method.learn(CAT, unwatched)
        assert method.say(CAT.subject) == expected


def test_clora_with_no_strength_learns_exactly_as_without_the_penalty(pristine, tmp_path):
    losses = []
    for strength in ("0", "1e-30"):
        method = make("clora", pristine.copy(), **{"clora.strength": strength})
        method.learn(CAT, unwatched)
        losses.append(method.learn(CAR, unwatched)["loss"])
    assert losses[0] == pytest.approx(losses[1], abs=1e-12)


def test_dsc_keeps_one_adapter_a_task_and_distils_from_the_second_task_on(pristine):
    method = make("dsc", pristine.copy())
    assert "dsc_loss" not in method.learn(CAT, unwatched)
    assert "dsc_loss" in method.learn(CAR, unwatched)
    assert list(method.consolidations[0].pool) == ["mallow", "rumble"]


def test_dsc_calls_the_unet_once_for_each_of_the_three_parameter_sets(pristine, monkeypatch):
    method = make("dsc", pristine.copy(), **{"dsc.iterations": "1", "dsc.batch": "2"})
    method.learn(CAT, unwatched)
    calls = []
    forward = method.backbone.unet.forward
    monkeypatch.setattr(method.backbone.unet, "forward", lambda z, *a, **k: calls.append(len(z)) or forward(z, *a, **k))
    method.learn(CAR, unwatched)
    assert calls[CAR.steps :] == [6, 6, 6], "two pictures times three candidates, for each set of weights"


def test_folding_keeps_the_function_and_sets_the_change_to_zero(pristine):
    mine = pristine.copy()
    lora = Lora(mine, 0, LoraOptions())
    with torch.no_grad():
        for p in lora.params.values():
            p.normal_(0, 0.1)
        z, t = torch.randn(1, 4, 8, 8), torch.tensor([300])
        before = mine.eps(z, t, ["a cat"])
        lora.fold()
        torch.testing.assert_close(mine.eps(z, t, ["a cat"]), before, atol=1e-5, rtol=1e-4)
    assert all(w.abs().max() == 0 for w in lora.delta().values())


def test_the_change_of_a_lora_is_alpha_over_r_times_b_a(pristine):
    lora = Lora(pristine.copy(), 0, LoraOptions(rank=2, alpha=6.0))
    name, layer = next(iter(lora.layers.items()))
    with torch.no_grad():
        layer.lora_B["default"].weight.normal_()
    expected = 3.0 * layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    torch.testing.assert_close(lora.delta()[name], expected)
    lora.delta()[name].sum().backward()
    assert layer.lora_B["default"].weight.grad is not None


def test_a_lora_moves_keys_and_values_of_cross_attention_only(pristine):
    assert all(
        ".attn2.to_k" in name or ".attn2.to_v" in name for name in Lora(pristine.copy(), 0, LoraOptions()).layers
    )


def test_an_unknown_method_names_the_nearest_and_an_unknown_option_the_valid_ones():
    with pytest.raises(BadInput, match="did you mean clora"):
        choose("cloar", {})
    with pytest.raises(BadInput, match=r"its options: dsc\.batch.*dsc\.temperature"):
        choose("dsc", {"dsc.temprature": "1"})
    with pytest.raises(BadInput, match="expected a value of type float"):
        choose("dsc", {"dsc.temperature": "warm"})
    with pytest.raises(BadInput, match="no option of method 'base'"):
        choose("base", {"dsc.temperature": "1"})


def test_a_setting_reaches_the_methods_that_have_it_and_only_them():
    plain, dsc = choose("lora,dsc", {"dsc.temperature": "0.5"})
    assert dsc.options["dsc"]["temperature"] == 0.5
    assert "dsc" not in plain.options


def test_a_prompt_speaks_of_each_subject_in_turn():
    prompt = Prompt("a {} beside a {}", (Subject("a", "cat"), Subject("b", "dog")))
    assert prompt.render(lambda s: s.noun) == "a cat beside a dog"
