"""Units of training as the runner does them: whose pictures are opened while a method learns, and what it stores."""

import os
from pathlib import Path

import pytest

from conftest import write_suite
from cpbench.benchmark.errors import CpbenchError
from cpbench.benchmark.plan.units import Train
from cpbench.benchmark.protocol import unwatched
from cpbench.benchmark.run.runner import Runner
from cpbench.benchmark.storage.store import Store
from cpbench.benchmark.suite import concepts as data
from cpbench.benchmark.suite.spec import load_suite
from cpbench.methods.catalogue import CATALOGUE
from cpbench.methods.configure import options_of
from cpbench.methods.registry import choose

FEW = {"dsc.iterations": "2", "ewc.passes": "1", "merge.captions": "20", "ziplora.iterations": "2"}
LEARNING = [name for name, row in CATALOGUE.items() if row.adapter]
KEEPING = {"replay", "joint"}


def units(suite, chosen):
    keys = [None, *(f"{chosen.name}-{k}" for k in range(len(suite.concepts)))]
    return [
        Train(key, chosen, concept, n, keys[n - 1], n, "c")
        for n, (key, concept) in enumerate(zip(keys[1:], suite.concepts, strict=True), 1)
    ]


@pytest.fixture(scope="module")
def runner(pristine, tmp_path_factory):
    folder = tmp_path_factory.mktemp("units")
    return Runner(load_suite(str(write_suite(folder))), Store(folder / "units", print), pristine, None)


@pytest.fixture(scope="module", params=LEARNING)
def done(request, runner):
    """A method, its units, their folders, and which concepts were opened in each."""
    settings = {k: v for k, v in FEW.items() if k.split(".")[0] in options_of(request.param)}
    (chosen,) = choose(request.param, settings)
    opened, folders, trains = [], [], units(runner.suite, chosen)
    with pytest.MonkeyPatch.context() as patch:
        identity = data.toybox_source
        patch.setattr(data, "toybox_source", lambda concept: opened[-1].add(concept.name) or identity(concept))
        for unit in trains:
            opened.append(set())
            folders.append(runner.do(unit, unwatched))
    return request.param, trains, folders, opened


def test_the_bytes_that_a_method_says_it_stores_are_those_of_the_files_on_disk(done, runner):
    _, trains, folders, _ = done
    for unit, folder in zip(trains, folders, strict=True):
        walked = [(Path(top) / name).stat().st_size for top, _, names in os.walk(folder / "state") for name in names]
        assert runner.store.meta(unit.key)["measured"]["stored_bytes"] == sum(walked) > 0


def test_no_pictures_but_those_of_the_task_are_opened_while_a_method_learns(done):
    _, trains, _, opened = done
    assert opened == [{unit.concept.name} for unit in trains]


def test_a_method_keeps_pictures_only_if_it_is_an_upper_bound_that_says_so(done, runner):
    name, trains, _, _ = done
    assert trains[0].method.make(runner.backbone.copy(), 0).keeps_pictures == (name in KEEPING)


@pytest.mark.parametrize(
    "ask",
    [
        data.training_pictures,
        data.reference_pictures,
        lambda suite, concept: data.held_out_pictures(suite, (concept,)),
        lambda suite, concept: data.lookalike_pictures(suite, (concept,)),
        lambda suite, concept: data.pair_pictures(suite, (concept, suite.concepts[1])),
    ],
)
def test_asking_for_pictures_of_an_earlier_concept_is_refused_while_another_is_learned(ask, runner, tmp_path):
    suite = runner.suite
    first = suite.concepts[0]

    class Peeking:
        def learn(self, task, watch):
            return {"seen": float(len(ask(suite, first)))} if task.number == 2 else {}

        def generate(self, prompts, seeds):
            raise NotImplementedError

        def save(self, folder):
            (folder / "empty").touch()

        def load(self, folder):
            pass

        def trainable(self):
            return 0

    class Choice:
        name, options, code, make = "peeking", {}, "c", staticmethod(lambda backbone, seed: Peeking())

    one, two = units(suite, Choice)
    mine = Runner(suite, Store(tmp_path / "units", print), runner.backbone, None)
    mine.do(one, unwatched)
    with pytest.raises(CpbenchError, match=r"'mallow' .*'rumble'"):
        mine.do(two, unwatched)
    assert len(ask(suite, first)) > 0, "afterwards they can be had"


def test_a_folder_is_guarded_too(tmp_path, runner):
    concept = runner.suite.concepts[0].model_copy(update={"toybox": None, "folder": "mallow"})
    with (
        data.learning(runner.suite.concepts[1]),
        pytest.raises(CpbenchError, match=r"'mallow' .*'rumble'"),
    ):
        data.training_pictures(runner.suite, concept)
