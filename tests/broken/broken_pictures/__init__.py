"""Methods and metrics that break the contract, each in one way; see tests/test_broken_plugins.py."""

import pickle
from pathlib import Path

import numpy as np
import torch

from broken_pictures.deep import fail, fail_elsewhere
from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.protocol import Tick
from cpbench.benchmark.scoring.metrics import Metric
from cpbench.methods.adapters.low_rank import Lora, LoraOptions
from cpbench.methods.learner import Learner

HERE = Path(__file__)


class Changed(Learner):
    """LoRA with one call that is changed by ``change``: it gets the call of LoRA, and what that is given."""

    def __init__(self, backbone, seed, call, change):
        super().__init__(backbone, seed, Lora(backbone, seed, LoraOptions()))
        own = getattr(self, call)
        setattr(self, call, lambda *given: change(own, *given))


def method(call, change):
    """A factory of a method with one call changed."""
    return lambda backbone, seed: Changed(backbone, seed, call, change)


def saved(spoil):
    """A factory of a method that does something more when it saves."""
    return method("save", lambda own, folder: (own(folder), spoil(Path(folder)))[0])


def drawn(spoil):
    """A factory of a method that changes the pictures that it has drawn."""
    return method("generate", lambda own, prompts, seeds: spoil(own(prompts, seeds)))


def learned(spoil):
    """A factory of a method that changes the figures of learning."""
    return method("learn", lambda own, task, watch: spoil(own(task, watch)))


def explained(spoil):
    """A factory of a method that changes its noise errors."""
    return method("explain", lambda own, pictures, questions: spoil(own(pictures, questions)))


learn_none = learned(lambda figures: None)
learn_list = learned(list)
learn_nan = learned(lambda figures: figures | {"spring": float("nan")})
learn_text = learned(lambda figures: figures | {"spring": "strong"})
learn_tensor = learned(lambda figures: figures | {"spring": torch.ones(())})
learn_raises = method("learn", lambda own, task, watch: fail(KeyError("momentum")))
learn_library = method("learn", lambda own, task, watch: fail_elsewhere())
learn_exits = method("learn", lambda own, task, watch: fail(SystemExit(0)))
learn_refuses = method("learn", lambda own, task, watch: fail(BadInput("nothing suits it.")))
learn_ticks = method("learn", lambda own, task, watch: watch(Tick("learn", 3, 2)))
learn_chats = method("learn", lambda own, task, watch: watch("almost done"))
draw_none = drawn(lambda pictures: None)
draw_fewer = drawn(lambda pictures: pictures[:-1])
draw_small = drawn(lambda pictures: pictures[:, ::2, ::2])
draw_floats = drawn(lambda pictures: pictures / 255)
draw_planes = drawn(lambda pictures: pictures.transpose(0, 3, 1, 2))
draw_list = drawn(list)
draw_tensor = drawn(torch.from_numpy)
draw_raises = method("generate", lambda own, prompts, seeds: fail(RuntimeError("no such prompt")))
explain_short = explained(lambda errors: errors[1:])
explain_nan = explained(lambda errors: errors * np.nan)
count_none = method("trainable", lambda own: None)
count_float = method("trainable", lambda own: 3.5)
inspect_none = method("inspect", lambda own, task, watch: None)
save_pickle = saved(lambda folder: (folder / "state.bin").write_bytes(pickle.dumps({"w": [1.0]})))
save_torch = saved(lambda folder: torch.save({"w": torch.ones(3)}, folder / "state.pt"))
save_objects = saved(lambda folder: np.save(folder / "a.npy", np.array([{}, None], dtype=object)))
save_link = saved(lambda folder: (folder / "link").symlink_to(HERE))
save_nothing = method("save", lambda own, folder: None)
load_raises = method("load", lambda own, folder: fail(ValueError("a state of version 1")))


def make_none(backbone, seed):
    """Forget to return the method."""


class Half:
    """Lacks two members."""

    def __init__(self, backbone, seed):
        """Be built as any method."""

    def learn(self, task, watch):
        """Learn nothing."""
        return {}

    def generate(self, prompts, seeds):
        """Draw nothing."""

    def trainable(self):
        """Train nothing."""
        return 0


make_half = Half


def make_raises(backbone, seed):
    """Fail at once."""
    fail(ZeroDivisionError("no layers"))


def metric(name, of):
    """A metric of this package."""
    return Metric(name, True, of, "wrong in one way")


wide = metric("wide", lambda cell, profile: np.zeros((len(cell.drawn), 3)))
short = metric("short", lambda cell, profile: np.zeros(len(cell.drawn) + 1))
text = metric("text", lambda cell, profile: "high")
mixed = metric("mixed", lambda cell, profile: [1.0, "high"])
complex_ = metric("complex_", lambda cell, profile: np.ones(len(cell.drawn)) * 1j)
infinite = metric("infinite", lambda cell, profile: np.full(len(cell.drawn), np.inf))
nan = metric("nan", lambda cell, profile: float("nan"))
raising = metric("raising", lambda cell, profile: fail(IndexError("no such picture")))
renamed = metric("another", lambda cell, profile: 0.0)
never = metric("never", lambda cell, profile: None)
moody = metric("moody", lambda cell, profile: np.random.default_rng().random())
greedy = metric("greedy", lambda cell, profile: float(cell.drawn.sort() is None))
