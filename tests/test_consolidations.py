"""O-LoRA, ZipLoRA, replay and the adapters, each by its equation and in its limits."""

import numpy as np
import pytest
import torch

from conftest import task
from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.protocol import Prompt, unwatched
from cpbench.methods.adapters.base import Additive, Directed, Foldable, Mergeable, Steerable, Tokens, Weighted
from cpbench.methods.adapters.keys_values import KeysValues
from cpbench.methods.adapters.low_rank import Lora, LoraOptions
from cpbench.methods.adapters.vera import Vera, VeraOptions
from cpbench.methods.build import ADAPTERS, CONSOLIDATIONS
from cpbench.methods.consolidations.olora import Olora, OloraOptions, orthogonality
from cpbench.methods.consolidations.ziplora import changed_by, overlap, zipped
from cpbench.methods.learner import Learner
from cpbench.methods.registry import choose
from cpbench.methods.training import draw_step, sources_of

CAT, CAR, DOG = task(1, "cat", "mallow"), task(2, "car", "rumble"), task(3, "dog", "rex")
F64 = torch.float64


def make(name, backbone, **settings):
    return choose(name, settings)[0].make(backbone, 7)


def noisy(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, 4, 8, 8, generator=generator), torch.tensor([200, 700])


def randomise(adapter, scale=0.3):
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for p in adapter.params.values():
            p.add_(scale * torch.randn(p.shape, generator=generator))


def test_orthogonality_is_computed_by_hand_and_zero_for_orthogonal_rows():
    past = {"k": torch.tensor([[1.0, 2.0, 0.0]], dtype=F64)}
    assert orthogonality(past, {"k": torch.tensor([[3.0, 1.0, 9.0]], dtype=F64)}).item() == pytest.approx(25, abs=1e-12)
    assert orthogonality(past, {"k": torch.tensor([[-2.0, 1.0, 9.0]], dtype=F64)}).item() == 0


def test_olora_without_strength_learns_as_lora_with_a_folded_past(pristine):
    losses = []
    for name in ("olora", "clora"):
        settings = {"learner.use_noun": "true", "learner.token_rate": "1e-3", f"{name}.strength": "0"}
        method = make(name, pristine.copy(), **settings)
        method.learn(CAT, unwatched)
        losses.append(method.learn(CAR, unwatched)["loss.learn.denoise"])
    assert losses[0] == pytest.approx(losses[1], abs=1e-12)


def test_olora_keeps_the_rows_of_every_task(pristine):
    method = make("olora", pristine.copy(), **{"lora.rank": "2"})
    for n, t in enumerate((CAT, CAR, DOG), 1):
        method.learn(t, unwatched)
        assert {len(rows) for rows in method.consolidations[0].past.values()} == {2 * n}


def test_overlap_is_the_sum_of_cosines_over_pairs():
    m = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, -2.0]], dtype=F64)
    assert overlap({"k": m}).item() == pytest.approx(0.5**0.5 + 0 + 0.5**0.5, abs=1e-8)
    assert overlap({"k": m[:1]}).item() == 0


def test_columns_are_scaled_by_their_coefficients():
    changes = torch.tensor([[[1.0, 2.0]], [[10.0, 20.0]]], dtype=F64)
    m = torch.tensor([[1.0, 0.0], [0.5, 2.0]], dtype=F64)
    assert zipped(changes, m).tolist() == [[6.0, 40.0]]
    assert zipped(changes, torch.ones(2, 2, dtype=F64)).tolist() == changes.sum(0).tolist()


def test_a_change_added_by_hooks_is_that_of_changed_weights_and_its_gradient_reaches_it(pristine):
    lora = make("lora", pristine.copy())
    z, t = noisy()
    randomise(lora.adapter)
    with torch.no_grad():
        expected = lora.backbone.predict(z, t, ["a cat"] * 2)
    change = {k: w.detach().requires_grad_() for k, w in lora.adapter.delta().items()}
    lora.adapter.place({})
    with changed_by(lora, change) as added:
        added.update(change)
        out = lora.backbone.predict(z, t, ["a cat"] * 2)
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-4)
    out.square().mean().backward()
    assert all(w.grad.abs().sum() > 0 for w in change.values())
    with torch.no_grad():
        assert not torch.allclose(lora.backbone.predict(z, t, ["a cat"] * 2), expected, atol=1e-3), "hooks are gone"


def test_ziplora_lowers_the_distance_to_what_each_adapter_predicts(pristine):
    losses = {}
    for iterations in ("1", "40"):
        settings = {"ziplora.iterations": iterations, "ziplora.overlap": "0", "learner.rate": "0.05"}
        method = make("ziplora", pristine.copy(), **settings)
        method.learn(CAT, unwatched)
        losses[iterations] = method.learn(CAR, unwatched)["loss.zip.distance"]
    assert losses["40"] < losses["1"]


def test_replay_keeps_as_many_pictures_as_asked_and_joint_all(pristine):
    for name, settings, kept in (("replay", {"replay.pictures": "1"}, 1), ("joint", {}, 2)):
        method = make(name, pristine.copy(), **settings)
        assert method.learn(CAT, unwatched)["pictures_kept"] == kept
        assert method.learn(CAR, unwatched)["pictures_kept"] == 2 * kept
        assert torch.equal(method.consolidations[0].kept["mallow"], torch.from_numpy(CAT.pictures[:kept]))


def test_replay_draws_every_concept_about_equally_often(pristine):
    method = make("joint", pristine.copy())
    method.learn(CAT, unwatched)
    method.known["rumble"] = CAR.subject
    rehearsed = method.consolidations[0].rehearsed(method)
    step = draw_step(method.backbone, sources_of(method, CAR, rehearsed), 400, torch.Generator().manual_seed(0))
    shares = [np.mean([name in p for p in step.prompts]) for name in ("mallow", "rumble")]
    assert shares == pytest.approx([0.5, 0.5], abs=0.1)


def test_joint_makes_afresh_the_updates_of_all_tasks_so_far_and_the_others_only_their_own(pristine):
    for name, made in (("joint", [CAT.steps, 2 * CAT.steps]), ("replay", [CAT.steps] * 2), ("lora", [CAT.steps] * 2)):
        method, steps = make(name, pristine.copy()), []
        for learned in (CAT, CAR):
            ticks = []
            method.learn(learned, ticks.append)
            steps.append(sum(t.phase == "learn" for t in ticks))
        assert steps == made


def test_without_pictures_of_the_past_nothing_is_rehearsed(pristine):
    for name in ("lora", "dsc", "ewc", "lora-merge", "olora"):
        method = make(name, pristine.copy(), **({"ewc.passes": "1"} if name == "ewc" else {}))
        method.learn(CAT, unwatched)
        assert [pair for c in method.consolidations for pair in c.rehearsed(method)] == []


def test_an_exact_lora_of_a_vera_predicts_the_same_noise(pristine):
    mine, other = pristine.copy(), pristine.copy()
    vera = Vera(mine, 0, VeraOptions(rank=16))
    randomise(vera)
    lora = Lora(other, 0, LoraOptions(rank=16, alpha=16.0))
    with torch.no_grad():
        for name, own in vera.factors().items():
            lora.layers[name].lora_A["default"].weight.copy_(own.down)
            lora.layers[name].lora_B["default"].weight.copy_(own.up)
        z, t = noisy()
        first, second = (m.predict(z, t, ["a cat"] * 2) for m in (mine, other))
    torch.testing.assert_close(first, second, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(first, pristine.predict(z, t, ["a cat"] * 2), atol=1e-3)


@pytest.mark.parametrize("kind", [lambda b: KeysValues(b, 0), lambda b: Vera(b, 0, VeraOptions(rank=8))])
def test_folding_keeps_the_function_and_placing_nothing_gives_the_base_model(pristine, kind):
    mine = pristine.copy()
    adapter = kind(mine)
    randomise(adapter)
    z, t = noisy()
    with torch.no_grad():
        before = mine.predict(z, t, ["a cat"] * 2)
        change = {k: w.clone() for k, w in adapter.delta().items()}
        adapter.fold()
        torch.testing.assert_close(mine.predict(z, t, ["a cat"] * 2), before, atol=1e-5, rtol=1e-4)
        assert all(w.abs().max() == 0 for w in adapter.delta().values())
        for name, w in adapter.folded().items():
            torch.testing.assert_close(w, change[name], atol=1e-6, rtol=1e-5)
        adapter.place({})
        assert torch.equal(mine.predict(z, t, ["a cat"] * 2), pristine.predict(z, t, ["a cat"] * 2))
        adapter.place(change)
        torch.testing.assert_close(mine.predict(z, t, ["a cat"] * 2), before, atol=1e-5, rtol=1e-4)


ABLE = {
    Tokens: (),
    KeysValues: (Weighted, Foldable, Mergeable, Directed, Additive),
    Lora: (Weighted, Foldable, Mergeable, Directed, Additive, Steerable),
    Vera: (Weighted, Foldable, Mergeable, Directed, Additive),
}
NEEDED = {
    "clora": (Foldable,),
    "dsc": (Weighted,),
    "ewc": (Weighted,),
    "merge": (Mergeable,),
    "replay": (),
    "olora": (Foldable, Directed),
    "ziplora": (Mergeable,),
    "independent": (Additive,),
    "lwf": (Weighted,),
    "l2": (Weighted,),
    "dop": (Additive,),
}


@pytest.mark.parametrize("section", ADAPTERS)
def test_an_adapter_goes_with_what_requires_no_more_than_it_can_do_and_others_are_refused(section, pristine):
    make, options = ADAPTERS[section]
    mine = pristine.copy()
    adapter = make(mine, 0, options()) if options else make(mine, 0)
    assert {c for c in ABLE[Lora] if isinstance(adapter, c)} == set(ABLE[type(adapter)])
    assert NEEDED.keys() == CONSOLIDATIONS.keys()
    for name, (build, kind) in CONSOLIDATIONS.items():
        part = build(kind()) if kind else build()
        assert part.requires == NEEDED[name]
        if set(part.requires) <= set(ABLE[type(adapter)]):
            assert Learner(mine, 0, adapter, [part]).consolidations == (part,)
        else:
            with pytest.raises(BadInput, match=f"{name} needs an adapter that .*; {type(adapter).__name__} does not"):
                Learner(mine, 0, adapter, [part])


def test_what_an_adapter_lacks_is_named_by_what_it_would_do(pristine):
    with pytest.raises(BadInput, match=r"folds its change .* and lists the input directions"):
        Learner(pristine.copy(), 0, Tokens(pristine, 0), [Olora(OloraOptions())])


def test_lwf_is_dsc_without_scores(pristine):
    drawn = []
    same = {"dsc.iterations": "3", "dsc.noise_weight": "1", "dsc.rate": "1e-3"}
    for name, settings in (("lwf", {}), ("dsc", {"dsc.score_weight": "0"})):
        method = make(name, pristine.copy(), **same | settings)
        for t in (CAT, CAR):
            method.learn(t, unwatched)
        drawn.append(method.generate([Prompt("photo of a {}", (CAT.subject,))], [1]))
    assert np.array_equal(*drawn)
