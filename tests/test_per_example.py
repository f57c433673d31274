"""Per-example gradients of a batch: those of single pictures, for every adapter and loss, within bounds of memory."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from cpbench.benchmark.protocol import unwatched
from cpbench.benchmark.run import calibration
from cpbench.methods import fisher
from cpbench.methods.fisher import diagonal, example_gradients
from cpbench.methods.gram import Rows
from cpbench.methods.learner import Learner
from cpbench.methods.scores import candidate_errors, contrast, known_before, logits
from learners import CAR, CAT, DOG, doubled, learner, randomised

# In float32, a picture alone differs from one beside others by some roundings of 6e-8, in a contrast by many of them.
PRECISIONS = [("float64", 1e-12, 1e-12), ("float32", 5e-6, 2e-5)]


def noise(e):
    return (e[:, 0],)


def scored(e):
    return (e[:, 0] + 2 * contrast(logits(e, 0.3)),)


def both(e):
    return e[:, 0], contrast(logits(e, 0.05))


@pytest.fixture
def in_threes(monkeypatch):
    """Tasks of which three pictures go through the network at once, and 4 passes over 2 pictures: 3, 3 and 2."""
    monkeypatch.setattr(fisher, "_BYTES", 0)


def examples_of(made, k=1, passes=4):
    """Examples with ``k`` candidates, in another order for each."""
    subjects = [CAT.subject, known_before(CAT.subject), CAR.subject, DOG.subject]
    for n, step in enumerate(made.examples(CAT, passes)):
        rest = subjects[1:k]
        yield step, [subjects[0], *rest[n % max(1, len(rest)) :], *rest[: n % max(1, len(rest))]]


def one_by_one(made, task, examples, losses):
    """The gradient of each loss for each example by a pass of its own."""
    params = list(made.adapter.params.values())
    for step, subjects in examples:
        each = losses(candidate_errors(made, task, step, [subjects]))
        yield [torch.cat([g.flatten() for g in torch.autograd.grad(x.sum(), params, retain_graph=True)]) for x in each]


def batches(made, monkeypatch):
    """The sizes of all batches that go through the network from now on."""
    sizes, predict = [], made.backbone.predict
    monkeypatch.setattr(made.backbone, "predict", lambda z, *more: sizes.append(len(z)) or predict(z, *more))
    return sizes


def same(made, losses, k, tolerance, batch, passes=4):
    """Asserts that gradients are those of single examples; returns the number of examples."""
    task, examples = replace(CAT, batch=batch), list(examples_of(made, k, passes))
    found = list(example_gradients(made, task, examples, losses, unwatched, "fisher"))
    for one, expected in zip(found, one_by_one(made, task, examples, losses), strict=True):
        for g, true in zip(one.gradients, expected, strict=True):
            assert (g - true).norm() <= tolerance * true.norm() and true.norm() > 0
    return len(found)


@pytest.mark.parametrize(("precision", "plain", "contrasted"), PRECISIONS)
@pytest.mark.parametrize("name", ["lora", "vera", "cd"])
def test_gradients_of_a_batch_are_those_of_single_pictures(
    name, precision, plain, contrasted, pristine, monkeypatch, in_threes
):
    made = learner(name, pristine)
    randomised(made.adapter, 3)
    made = doubled(made) if precision == "float64" else made
    sizes = batches(made, monkeypatch)
    for losses, k, tolerance in ((noise, 1, plain), (scored, 3, contrasted), (both, 4, contrasted)):
        sizes.clear()
        assert same(made, losses, k, tolerance, 3 * k, passes=2) == 4
        assert sizes[:3] == [k, 3 * k, k], "the first alone, then 3 pictures and 1"


@pytest.mark.parametrize("name", ["lora", "ti"])
def test_one_picture_at_a_time_gives_the_same_bits_and_without_weights_no_gradients(
    name, pristine, monkeypatch, in_threes
):
    made, task = learner(name, pristine), replace(CAT, batch=1 if name == "lora" else 3)
    sizes, examples = batches(made, monkeypatch), list(examples_of(made))
    found = list(example_gradients(made, task, examples, noise, unwatched, "fisher"))
    assert sizes == [1] * 8
    if name == "ti":
        assert all(not one.gradients for one in found)
    else:
        expected = one_by_one(made, task, examples, noise)
        assert all(torch.equal(one.gradients[0], g[0]) for one, g in zip(found, expected, strict=True))


class Scaled(nn.Module):
    """A layer times weights in a list, which is no module that can be called."""

    def __init__(self, layer):
        super().__init__()
        self.layer, self.scales = layer, nn.ParameterList([torch.linspace(0.5, 1.5, layer.out_features)])

    def forward(self, x):
        return self.layer(x) * self.scales[0]


class Unseen(Scaled):
    """Uses the weight of a linear layer that it never calls."""

    def __init__(self, layer):
        super().__init__(layer)
        self.scales = None
        self.inner = nn.Linear(layer.out_features, 1, bias=False)

    def forward(self, x):
        return self.layer(x) * self.inner.weight[0]


class Mixing(Scaled):
    """Sees the other examples of a batch, but none where it is alone."""

    def forward(self, x):
        y = super().forward(x)
        return y + y.mean(0) - y.mean(0).detach() * 0.5


class Refusing(Scaled):
    """Cannot be called for a part of the batch that the network sees."""

    rows = None

    def forward(self, x):
        if self.rows != len(x):
            raise ValueError("not the rows of this batch")
        return super().forward(x)


class Odd:
    """An adapter that a plug-in could have: modules of its own around the queries of cross-attention."""

    def __init__(self, backbone, kind, tied):
        found = [m for name, m in backbone.network.named_modules() if name.endswith("attn2")]
        attentions = [m for m in found if m.to_q.out_features == found[0].to_q.out_features][:2]
        backbone.network.register_forward_pre_hook(lambda unet, args: setattr(Refusing, "rows", len(args[0])))
        for attention in attentions:
            attention.to_q = kind(attention.to_q)
            for p in attention.to_q.parameters():
                p.requires_grad_(any(p is q for m in attention.to_q.children() for q in m.parameters(False)))
            attention.to_q.layer.requires_grad_(False)
        if tied:
            attentions[1].to_q = attentions[0].to_q
        named = backbone.network.named_parameters()
        self.params = {f"unet.{name}": p for name, p in named if p.requires_grad}


@pytest.mark.parametrize(
    ("kind", "tied", "batched"),
    [(Scaled, 0, True), (Scaled, 1, True), (Unseen, 0, False), (Mixing, 0, False), (Refusing, 0, False)],
)
def test_a_module_of_another_package_is_batched_where_that_is_right_and_else_taken_alone(
    kind, tied, batched, pristine, monkeypatch, in_threes
):
    backbone = pristine.copy()
    made = Learner(backbone, 7, Odd(backbone, kind, tied))
    assert len(made.adapter.params) == 1 + (not tied)
    sizes = batches(made, monkeypatch)
    assert same(made, noise, 1, 1e-5, 3) == 8
    assert sizes[:8] == ([1, 3, 3, 2, *[1] * 4] if batched else [1, 3, *[1] * 6])


def test_ticks_count_examples_and_an_interrupt_ends_after_any(pristine, in_threes):
    made, ticks = learner("lora", pristine), []
    examples = list(examples_of(made))

    def watch(tick):
        ticks.append(tick)
        if tick.step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        diagonal(one.gradients[0] for one in example_gradients(made, CAT, examples, noise, watch, "fisher"))
    assert [(t.phase, t.step, t.steps) for t in ticks] == [("fisher", k, 8) for k in range(1, 6)]
    for tick, (step, subjects) in zip(ticks, examples, strict=False):
        assert tick.loss == pytest.approx(candidate_errors(made, CAT, step, [subjects]).item(), rel=1e-5)


def test_the_forecast_of_a_phase_is_right_where_ticks_come_in_bursts(monkeypatch):
    """4 examples take 4 seconds together, all 40 take 40, and one second is spent on the check of the first."""
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    clock = calibration._Clock(updates=1, last=0.0)
    with pytest.raises(calibration._Enough):
        for k in range(40):
            now[0] += (4.0 if k % 4 == 0 else 0.0) + (k == 0)
            clock(calibration.Tick("fisher", k + 1, 40))
    assert clock.seconds == pytest.approx(41, rel=0.1) and now[0] < 10


class Largest(TorchDispatchMode):
    """Watches for the largest tensor that is made, in bytes."""

    bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for made in out if isinstance(out, (tuple, list)) else [out]:
            if isinstance(made, Tensor):
                self.bytes = max(self.bytes, made.nbytes)
        return out


def test_the_diagonal_takes_no_more_memory_for_more_examples(pristine, monkeypatch):
    made = learner("cd", pristine)
    p, largest = sum(w.numel() for w in made.adapter.params.values()), []
    with Largest() as one:
        next(one_by_one(made, CAT, examples_of(made, passes=1), noise))
    for passes in (2, 16):
        examples = list(examples_of(made, passes=passes))
        with Largest() as seen:
            diagonal(found.gradients[0] for found in example_gradients(made, CAT, examples, noise, unwatched, "fisher"))
        largest.append(seen.bytes)
    assert 4 * p <= one.bytes
    graph = largest[0] // 4  # of 4 pictures at once
    assert largest[1] <= max(one.bytes, 32 * graph) and largest[1] < 32 * 4 * p


@pytest.mark.parametrize(("batch", "budget", "size"), [(3, 0, 3), (1, 0, 1), (1, 10**9, 8), (7, 10**9, 8)])
def test_as_many_pictures_go_together_as_in_a_training_step_or_as_fit_the_budget(
    batch, budget, size, pristine, monkeypatch
):
    monkeypatch.setattr(fisher, "_BYTES", budget)
    made = learner("lora", pristine)
    sizes = batches(made, monkeypatch)
    same(made, noise, 1, 1e-5, batch)
    assert max(sizes) == size


def test_the_budget_holds_the_graph_of_a_batch_and_no_weights(pristine, monkeypatch):
    made = learner("lora", pristine)
    with fisher.graph_bytes(made.backbone.network) as one:
        next(one_by_one(made, CAT, examples_of(made), noise))
    spent = sum(one.values())
    assert 0 < spent < sum(w.nbytes for w in made.backbone.network.parameters())
    monkeypatch.setattr(fisher, "_BYTES", 5 * spent + spent // 2)
    sizes = batches(made, monkeypatch)
    same(made, noise, 1, 1e-5, 1)
    assert max(sizes) == 5


@settings(max_examples=30)
@given(n=st.integers(1, 6), p=st.integers(1, 50), most=st.integers(1, 2000), seed=st.integers(0, 99))
def test_products_of_pairs_of_rows_are_the_same_in_memory_and_in_a_file(n, p, most, seed):
    g = torch.randn(n, p, generator=torch.Generator().manual_seed(seed))
    with Rows(most) as rows, Largest() as seen:
        for row in g:
            rows.append(row)
        found = rows.gram()
    assert seen.bytes <= max(most, 4 * p, 8 * n, 8 * n * n), "a block of columns, one row or column, or the products"
    torch.testing.assert_close(found, g.double() @ g.double().T, rtol=1e-12, atol=1e-12)
