"""How a model computes: what must not change a picture does not, and what may is in the keys."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_chain import planner

from conftest import TINY
from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.models.engine import PLAIN, Engine, engine_of, make_deterministic
from cpbench.benchmark.models.loading import load_backbone
from cpbench.benchmark.protocol import Prompt, unwatched
from cpbench.benchmark.suite.spec import Sampling
from cpbench.methods.registry import choose
from learners import CAR, CAT, drawn, learner

SAMPLING = Sampling(**TINY["sampling"])
PROMPTS, SEEDS = ["photo of a cat", "photo of a car"], [3, 4]


def model(dtype="float32", **engine):
    return load_backbone("tiny", SAMPLING, dtype=dtype, engine=Engine(**engine))


def test_frozen_matrices_in_fewer_bits_change_no_picture_and_no_gradient_in_mixed_precision(pristine):
    stored = model("bfloat16")
    full = replace(pristine.copy(), dtype=torch.bfloat16)
    assert np.array_equal(stored.sample(PROMPTS, SEEDS), full.sample(PROMPTS, SEEDS))
    found = []
    for own in (stored, full):
        made = learner("lora", own, CAT)
        step = drawn(made, CAT, 3)
        loss = made.denoising(step)["denoise"]
        found.append([loss, *torch.autograd.grad(loss, list(made.adapter.params.values()))])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_matrices_take_half_the_memory_and_norms_tokens_and_the_autoencoder_keep_all_bits():
    stored = model("bfloat16")
    dtypes = {name: p.dtype for m in stored.modules.values() for name, p in m.named_parameters()}
    assert {dtypes[name] for name in dtypes if "norm" in name or "embedding.table" in name} == {torch.float32}
    assert dtypes["conv_in.weight"] is dtypes["down_blocks.0.attentions.0.proj_in.weight"] is torch.bfloat16
    assert {p.dtype for p in stored.vae.parameters()} == {torch.float32}
    assert stored.weights == model().weights, "what was loaded, and not how it is kept"


def test_a_change_that_is_folded_into_weights_of_few_bits_keeps_all_of_its_own():
    made = learner("olora", model("bfloat16"), CAT)
    made.learn(CAR, unwatched)
    layer = next(iter(made.adapter.layers.values()))
    assert layer.get_base_layer().weight.dtype is torch.float32
    assert made.generate([Prompt("photo of a {}", (CAT.subject,))], [1]).shape == (1, 64, 64, 3)


def test_channels_last_and_checkpointing_leave_what_is_drawn_within_rounding():
    plain = model().sample(PROMPTS, SEEDS).astype(int)
    for engine in ({"channels_last": True}, {"checkpointing": True}):
        assert np.abs(model(**engine).sample(PROMPTS, SEEDS) - plain).max() <= 1
    weight = model(channels_last=True).network.conv_in.weight
    assert weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()


def test_a_compiled_network_is_compiled_in_every_copy_and_learns_what_a_plain_one_does(monkeypatch):
    asked = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self: asked.append(self))
    own = model(compile=True)
    copies = [own.copy(), own.shared()]
    assert [id(one) for one in asked] == [id(m.network) for m in (own, *copies)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # torch.compile's own question, hidden from users
def test_a_compiled_network_draws_and_learns_the_same_within_rounding():
    found = {}
    for engine in (PLAIN, Engine(compile=True)):
        own = load_backbone("tiny", SAMPLING, engine=engine)
        made = learner("lora", own, CAT)
        found[engine] = own.sample(PROMPTS, SEEDS).astype(int), made.adapter.state()
    (plain, weights), (drawn_so, learned) = found.values()
    assert np.abs(drawn_so - plain).max() <= 1
    for name, w in weights.items():  # as a whole: Adam makes a full step of a gradient that is rounding alone
        assert (learned[name] - w).norm() <= 1e-3 * w.norm()


def test_a_micro_batch_is_how_many_pictures_go_through_the_network_at_once():
    own = model(micro_batch=1).copy()
    made, seen = choose("lora", {})[0].make(own, 7), []
    predict = own.predict
    own.predict = lambda z, *more: seen.append(len(z)) or predict(z, *more)
    made.learn(CAT, unwatched)
    assert set(seen) == {1} and len(seen) == CAT.steps * CAT.batch


def test_what_is_looked_at_after_a_task_is_a_choice():
    figures = {}
    for level in ("full", "cheap"):
        made = learner("lora", model(inspect=level), CAT)
        figures[level] = made.inspect(CAT, unwatched)
    assert figures["full"]["dc.accuracy"] == figures["cheap"]["dc.accuracy"]
    assert figures["full"]["dc.score"] == pytest.approx(figures["cheap"]["dc.score"], rel=1e-4)
    assert set(figures["cheap"]) == {"dc.accuracy", "dc.score"} and "fisher.trace" in figures["full"]


def test_a_plain_engine_is_in_no_key_and_any_other_is(suite):
    lora = choose("lora", {})[0]

    def keys(**more):
        plan = planner(suite, **more).run(lora, (0, 1), 0)
        return {unit.key for unit in plan.units()}

    assert PLAIN.named == {} and keys(engine=PLAIN.named) == keys()
    assert Engine(compile=True).named == {"compile": True}
    assert plan_of_trains(suite, lora, {}) != plan_of_trains(suite, lora, {"compile": True})


def plan_of_trains(suite, method, engine):
    return [t.key for t in planner(suite, engine=engine).run(method, (0, 1), 0).trains]


def test_values_by_name_make_an_engine_and_unknown_ones_are_refused():
    assert engine_of(None) is PLAIN and engine_of({"micro_batch": 2}) == Engine(micro_batch=2)
    with pytest.raises(BadInput, match="did you mean compile"):
        engine_of({"compiled": True})
    with pytest.raises(BadInput, match=r"inspect"):
        Engine(inspect="some")


def test_a_deterministic_process_uses_no_operation_whose_bits_vary(monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    try:
        make_deterministic()
        assert torch.are_deterministic_algorithms_enabled()
        made = learner("dsc", model(), CAT, dsc__iterations=1)
        made.learn(CAR, unwatched)
    finally:
        torch.use_deterministic_algorithms(False)
        torch.backends.cuda.enable_mem_efficient_sdp(True)
