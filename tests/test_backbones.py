"""The contract of backbones, on models of four kinds, and every method of the catalogue on each of them."""

import re
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np
import pytest
import torch
from pipelines import KINDS, written

from cpbench import conformance
from cpbench.benchmark.checks.backbones import CHECKS, BackboneChecks, examined
from cpbench.benchmark.checks.conformance import CHECKS as CONTRACT
from cpbench.benchmark.checks.conformance import ContractChecks, examine
from cpbench.benchmark.checks.lessons import SAMPLING
from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.models.loading import load_backbone
from cpbench.methods.build import check_fit
from cpbench.methods.catalogue import CATALOGUE
from cpbench.methods.registry import choose

METHODS = [name for name, row in CATALOGUE.items() if row.adapter]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = {}

    def folder(kind):
        if kind not in made:
            made[kind] = written(tmp_path_factory.mktemp(kind), KINDS[kind])[1]
        return made[kind]

    return folder


@pytest.mark.parametrize("kind", [*KINDS, "tiny", "toybox"])
def test_a_model_of_every_kind_keeps_the_contract(kind, folders):
    name = folders(kind) if kind in KINDS else kind
    clauses = list(conformance(backbone=name))
    assert [c for c in clauses if c.fault] == [] and len(clauses) == len(CHECKS)


def faults(model):
    """The names of the checks that find something wrong."""
    found = zip(CHECKS, examined(BackboneChecks(model)), strict=True)
    return {check.__name__ for check, (_, fault) in found if fault}


BROKEN = {
    "noised": lambda m: {"add_noise": lambda z, noise, t: noise},
    "aimed": lambda m: {"predict": lambda z, t, text, params=None: torch.zeros_like(z)},
    "weighed": lambda m: {"min_snr": lambda t, most: torch.full_like(t, -1.0, dtype=torch.float32)},
    "layered": lambda m: {"layers": {"kv": r"nothing", "attention": r".*"}},
    "apart": lambda m: {"copy": lambda: m},
    "overridden": lambda m: {"predict": lambda z, t, text, params=None, own=m.predict: own(z, t, text)},
    "bounded": lambda m: {"check_prompts": lambda prompts, spare=0: None},
    "drawn": lambda m: {"sample": lambda prompts, seeds, *p, own=m.sample: own(prompts, [7] * len(seeds))},
    "explained": lambda m: {"explain": lambda *given, own=m.explain: 2 * own(*given)},
    "coded": lambda m: {"decode": lambda z, own=m.decode: own(z).astype(np.float32)},
    "steady": lambda m: {
        "predict": lambda z, t, text, params=None, own=m.predict: own(z, t, text, params) * (1 + len(z) / 100)
    },
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_model_that_breaks_a_clause_is_found_by_its_check(what):
    model = load_backbone("tiny", SAMPLING)
    for name, value in BROKEN[what](model).items():
        setattr(type("Other", (type(model),), {}), name, value)
        object.__setattr__(model, name, value)
    if what in ("overridden", "apart"):
        model.shared = partial(_itself, model)
    assert what in faults(model)


def _itself(model):
    return model


def test_a_model_whose_tokens_are_lost_or_learn_nothing_is_found():
    model = load_backbone("tiny", SAMPLING)
    model.shared = lambda: model
    model.add_token = lambda token, rows: rows
    assert "taught" in faults(model)


def test_a_check_that_breaks_says_how_and_the_others_still_run():
    model = load_backbone("tiny", SAMPLING)
    model.explain = None
    found = dict(examined(BackboneChecks(model)))
    (fault,) = [f for f in found.values() if f]
    assert fault.startswith("TypeError: ")


def test_one_of_a_name_and_a_model_is_asked_for():
    for given in ({}, {"name": "lora", "backbone": "tiny"}):
        with pytest.raises(BadInput, match="give the name of a method or of a metric, or a model"):
            list(conformance(**given))


@pytest.fixture(scope="module")
def elsewhere():
    with ProcessPoolExecutor(1, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        yield pool


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", METHODS)
def test_every_method_keeps_its_contract_on_every_kind_of_model_or_is_refused_with_a_reason(
    name, kind, folders, tmp_path, elsewhere
):
    few = {f"{section}.iterations": "2" for section in ("dsc", "ziplora") if section in choose(name, {})[0].options}
    chosen, model = choose(name, few)[0], folders(kind)
    try:
        check_fit(chosen.options, load_backbone(model, SAMPLING), "photo of a {}", 2)
    except BadInput as refused:
        assert re.search(r"; (choose|leave|give) ", str(refused)), refused
        return
    contract = ContractChecks(chosen.make, tmp_path, elsewhere, model=model)
    assert {check.__name__: fault for check in CONTRACT if (fault := examine(check, contract))} == {}
