"""The contract of every method of the catalogue, on the tiny backbone."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import numpy as np
import pytest
import torch

from conftest import task
from cpbench.benchmark.checks.conformance import CHECKS, ContractChecks, draw, teach
from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.protocol import Prompt, Question, Subject, unwatched
from cpbench.methods.adapters.low_rank import Lora, LoraOptions
from cpbench.methods.catalogue import CATALOGUE
from cpbench.methods.configure import options_of
from cpbench.methods.registry import choose

LEARNING = [name for name, row in CATALOGUE.items() if row.adapter]
CAT, CAR = task(1, "cat", "mallow"), task(2, "car", "rumble")
FEW = {"dsc.iterations": "2", "ewc.passes": "1", "merge.captions": "20", "ziplora.iterations": "2"}


def make(name, backbone, **settings):
    return chosen(name, **settings).make(backbone, 7)


def chosen(name, **settings):
    sections = options_of(name)
    return choose(name, {k: v for k, v in FEW.items() if k.split(".")[0] in sections} | settings)[0]


@pytest.fixture(scope="module")
def elsewhere():
    with ProcessPoolExecutor(1, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        yield pool


@pytest.fixture(scope="module", params=LEARNING)
def contract(request, tmp_path_factory, elsewhere):
    return ContractChecks(chosen(request.param).make, tmp_path_factory.mktemp(request.param), elsewhere)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_method_keeps_the_contract(check, contract):
    assert check(contract) is None


def first_drawn_after_each_task(name, pristine, folder):
    """The first concept after the first and after the second task."""
    taught = teach(chosen(name).make, pristine, folder)
    early = make(name, pristine.copy())
    early.load(taught.folders[0])
    return draw(early)[0], taught.drawn[0]


@pytest.mark.parametrize("name", ["ti", "independent"])
def test_the_drawing_of_an_earlier_concept_stays_as_it_was(name, pristine, tmp_path):
    assert np.array_equal(*first_drawn_after_each_task(name, pristine, tmp_path))


def test_one_lora_does_change_the_drawing_of_an_earlier_concept(pristine, tmp_path):
    assert not np.array_equal(*first_drawn_after_each_task("lora", pristine, tmp_path))


def test_clora_says_the_token_alone_and_the_others_say_token_and_noun(pristine):
    for name, expected in (("clora", "<mallow>"), ("lora", "<mallow> cat")):
        method = make(name, pristine.copy())
        assert method.phrase(CAT.subject) == "cat", "before it is learned, a subject is its noun"
        method.learn(CAT, unwatched)
        assert method.phrase(CAT.subject) == expected


@pytest.mark.parametrize("name", ["clora", "lora"])
def test_a_bare_prompt_names_a_learned_concept_by_its_token_alone_and_another_by_its_noun(name, pristine):
    method = make(name, pristine.copy())
    method.learn(CAT, unwatched)
    bare = Prompt("a {} beside a {}", (CAT.subject, CAR.subject), bare=True)
    assert bare.render(method.phrase) == "a <mallow> beside a car"
    (found,) = method.explain(CAT.pictures, [Question(0, Prompt("photo of a {}", (CAT.subject,), bare=True), 500, 3)])
    (told,) = method.explain(CAT.pictures, [Question(0, Prompt("photo of a <mallow>", ()), 500, 3)])
    assert found == told


def test_dsc_keeps_one_adapter_a_task_and_distils_from_the_second_task_on(pristine):
    method = make("dsc", pristine.copy())
    assert "loss.dsc.scores" not in method.learn(CAT, unwatched)
    assert "loss.dsc.scores" in method.learn(CAR, unwatched)
    assert list(method.consolidations[0].pool) == ["mallow", "rumble"]


def test_dsc_calls_the_unet_once_for_each_of_the_three_parameter_sets(pristine, monkeypatch):
    method = make("dsc", pristine.copy(), **{"dsc.iterations": "1", "dsc.batch": "2"})
    method.learn(CAT, unwatched)
    calls = []
    forward = method.backbone.network.forward
    monkeypatch.setattr(
        method.backbone.network, "forward", lambda z, *a, **k: calls.append(len(z)) or forward(z, *a, **k)
    )
    method.learn(CAR, unwatched)
    assert calls[CAR.steps :] == [6, 6, 6], "two pictures times three candidates, for each set of weights"


def test_folding_keeps_the_function_and_sets_the_change_to_zero(pristine):
    mine = pristine.copy()
    lora = Lora(mine, 0, LoraOptions())
    with torch.no_grad():
        for p in lora.params.values():
            p.normal_(0, 0.1)
        z, t = torch.randn(1, 4, 8, 8), torch.tensor([300])
        before = mine.predict(z, t, ["a cat"])
        lora.fold()
        torch.testing.assert_close(mine.predict(z, t, ["a cat"]), before, atol=1e-5, rtol=1e-4)
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
    with pytest.raises(BadInput, match=r"dsc\.temperature=warm: give a number from 1e-6 to 1e6\."):
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
    assert replace(prompt, bare=True).render(lambda s: s.noun) == "a cat beside a dog"
    assert replace(prompt, bare=True).render(lambda s: f"<{s.name}> {s.noun}") == "a <a> beside a <b>"
