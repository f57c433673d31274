"""What differs on an accelerator: some know no float64, and gradients of many examples would fill their memory."""

import numpy as np
import pytest
import torch
from torch import Tensor

from cpbench.benchmark.models.text import Text
from cpbench.benchmark.protocol import Prompt, Question, unwatched
from cpbench.methods import fisher, inspection
from cpbench.methods.consolidations import ewc
from cpbench.methods.fisher import top_eigenvalues
from cpbench.methods.gram import Rows
from learners import CAR, CAT, learner


class Elsewhere(Tensor):
    """A tensor as on a device without float64, which only ``cpu()`` leaves."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        out = super().__torch_function__(func, types, args, kwargs or {})
        if func is Tensor.cpu:
            return out.as_subclass(Tensor)
        if isinstance(out, cls) and out.dtype is torch.float64:
            raise TypeError("this device does not know float64")
        return out


def gram(gradients):
    with Rows() as rows:
        for g in gradients:
            rows.append(g)
        return rows.gram()


def elsewhere(tensors):
    return {name: w.as_subclass(Elsewhere) for name, w in tensors.items()}


def test_the_stand_in_refuses_float64_as_such_a_device_does():
    x = torch.ones(2).as_subclass(Elsewhere)
    with pytest.raises(TypeError, match="float64"):
        (2 * x).double()
    assert type(x.cpu().double()) is Tensor


def test_eigenvalues_are_told_from_a_device_without_float64():
    g = torch.randn(5, 9, generator=torch.Generator().manual_seed(1))
    assert torch.equal(top_eigenvalues(gram(g.as_subclass(Elsewhere)), 3), top_eigenvalues(gram(g), 3))


def test_errors_are_explained_from_a_device_without_float64(pristine, monkeypatch):
    mine, question = pristine.copy(), Question(0, Prompt("photo of a cat", ()), 500, 1)
    expected = mine.explain(CAT.pictures, [question])
    predict = mine.predict
    monkeypatch.setattr(mine, "predict", lambda *a: predict(*a).as_subclass(Elsewhere))
    assert np.array_equal(mine.explain(CAT.pictures, [question]), expected)


def test_the_closed_form_is_solved_for_a_device_without_float64(pristine, monkeypatch):
    folded = []
    for far in (False, True):
        made = learner("cd-merge", pristine, CAT, merge__captions=20)
        if far:
            embed, base, delta = made.backbone.embed, made.adapter.base, made.adapter.delta
            (part,) = made.consolidations
            end = part.end

            def ended(*arguments, embed=embed, base=base, delta=delta, end=end, made=made):
                monkeypatch.setattr(made.backbone, "embed", lambda *a: Text(embed(*a).states.as_subclass(Elsewhere)))
                monkeypatch.setattr(made.adapter, "base", lambda: elsewhere(base()))
                monkeypatch.setattr(made.adapter, "delta", lambda: elsewhere(delta()))
                return end(*arguments)

            monkeypatch.setattr(part, "end", ended)
        made.learn(CAR, unwatched)
        folded.append(made.adapter.folded())
    assert all(torch.equal(folded[0][k], folded[1][k]) for k in folded[0])


@pytest.fixture
def far_gradients(monkeypatch):
    """Every gradient of torch.autograd.grad is given as on another device."""
    grad = torch.autograd.grad
    monkeypatch.setattr(torch.autograd, "grad", lambda *a, **k: [g.as_subclass(Elsewhere) for g in grad(*a, **k)])


def test_gradients_of_single_examples_are_gathered_on_the_cpu(pristine, monkeypatch, far_gradients):
    gathered = []

    def heard(*arguments, true=fisher.example_gradients):
        for found in true(*arguments):
            gathered.extend(type(g) for g in found.gradients)
            yield found

    for module in (ewc, inspection):
        monkeypatch.setattr(module, "example_gradients", heard)
    made = learner("ewc-dc", pristine, CAT, ewc__passes=1)
    made.inspect(CAT, unwatched)
    assert gathered == [Tensor] * (2 + 2 * 4), "2 pictures once with one loss, and twice with two"


def test_scores_are_counted_for_a_device_without_float64(pristine, monkeypatch):
    made = learner("ti", pristine, CAT)
    expected, errors = made.inspect(CAT, unwatched), fisher.candidate_errors
    monkeypatch.setattr(fisher, "candidate_errors", lambda *a: errors(*a).as_subclass(Elsewhere))
    assert made.inspect(CAT, unwatched) == expected
