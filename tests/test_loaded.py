"""The method of a state: loaded once for all units that use it, and never more than one at a time."""

import gc
import weakref
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest

from conftest import CODE
from cpbench.benchmark.plan.planner import Planner
from cpbench.benchmark.plan.units import Classify, Draw, Train
from cpbench.benchmark.protocol import unwatched
from cpbench.benchmark.run.checked import checked
from cpbench.benchmark.run.runner import Runner
from cpbench.benchmark.run.work.method import Loaded, own_copy
from cpbench.benchmark.run.work.pictures import read_pictures
from cpbench.benchmark.scoring.profiles import load_profile
from cpbench.benchmark.storage.store import Store
from cpbench.methods.registry import choose


class Drawing:
    """A method that can only be loaded."""

    def __init__(self, backbone):
        self.backbone = backbone

    def load(self, folder):
        LOADED.append(folder.parent.name)


LOADED = []


@dataclass
class Shelf:
    """A backbone and a store in one: it counts the copies that are alive, and has every state."""

    folder: object
    sampling: object = field(default_factory=lambda: SimpleNamespace(strength=1.0))
    alive: list = field(default_factory=list)

    def copy(self):
        made = Shelf(self.folder)
        self.alive.append(weakref.ref(made))
        assert sum(ref() is not None for ref in self.alive) == 1, "two copies at once"
        return made

    def read(self, key):
        return self.folder / key


@pytest.fixture
def loaded(tmp_path):
    LOADED.clear()
    shelf = Shelf(tmp_path)
    return Loaded(shelf, shelf)


def use(loaded, *states):
    for state in states:
        with loaded.method(lambda backbone, seed: Drawing(backbone), state):
            pass


def test_a_state_is_loaded_again_only_after_another(loaded):
    use(loaded, "a", "a", "b", "b", "b", "a")
    assert LOADED == ["a", "b", "a"]


def test_a_method_that_failed_is_not_used_again(loaded):
    use(loaded, "a")
    with pytest.raises(KeyError), loaded.method(lambda backbone, seed: Drawing(backbone), "a"):
        raise KeyError
    gc.collect()
    use(loaded, "a")
    assert LOADED == ["a", "a"]


def test_what_is_dropped_is_released(loaded):
    use(loaded, "a")
    loaded.drop()
    assert [ref() for ref in loaded.backbone.alive] == [None]


def test_each_state_is_loaded_once_per_run_and_draws_and_classifies_as_a_new_object_does(
    suite, pristine, tmp_path, monkeypatch
):
    planner = Planner(suite, load_profile("toybox"), "tiny", "w", "cpu", "float32", {"e": "1"}, "full", code=CODE)
    units = planner.run(choose("lora", {})[0], (0, 1), 0).units()
    units = [unit for unit in units if isinstance(unit, Train | Draw | Classify)]
    own = Loaded._made

    def pictures(home, *, keep):
        made = []
        monkeypatch.setattr(Loaded, "_made", lambda self, make, state: made.append(state) or own(self, make, state))
        runner = Runner(suite, Store(tmp_path / home, print), pristine, None)
        found, trained = {}, []
        for unit in units:
            folder = runner.do(unit, unwatched)
            if isinstance(unit, Train):
                trained.append(unit.key)
                assert runner.loaded.last is None, "training has the memory for itself"
            if isinstance(unit, Draw):
                found[unit.key] = read_pictures(folder)
            if isinstance(unit, Classify):
                found[unit.key] = (folder / "classified.json").read_text()
            if not keep:
                runner.loaded.drop()
        return found, made, trained

    kept, made, trained = pictures("kept", keep=True)
    assert made == trained, "one per state"
    fresh, more, _ = pictures("fresh", keep=False)
    assert len(more) > len(made)
    assert kept.keys() == fresh.keys()
    for key in kept:
        np.testing.assert_array_equal(kept[key], fresh[key])


@pytest.mark.parametrize("name", ["lora", "cd", "dsc", "vera-ewc"])
def test_a_unit_s_method_shares_the_tensors_of_the_model_although_its_calls_are_checked(name, suite, pristine):
    (chosen,) = choose(name, {})
    plan = Planner(suite, load_profile("toybox"), "tiny", "w", "cpu", "float32", {}, code=CODE)
    for unit in plan.run(chosen, (0, 1), 0).units():
        if isinstance(unit, Train) or getattr(unit, "state", None):
            own = own_copy(checked(unit, 64).method.make, pristine)
            kept = {id(p) for p in pristine.network.parameters()}
            assert own is not pristine and all(id(p) in kept for p in own.network.parameters())
