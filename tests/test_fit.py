"""What memory methods take: counted on imagined tensors, as it is on real ones, and told by card."""

import json
from dataclasses import replace

import pytest
import torch
from pipelines import KINDS, SD15, SDXL, clip, settings_alone, written

from conftest import TINY, status_of, write_suite
from cpbench.benchmark.models.footprint import Alive, Growth, footprint
from cpbench.benchmark.models.loading import imagined, load_backbone
from cpbench.benchmark.suite.spec import Sampling
from cpbench.benchmark.verbs.fit import CARDS, WAYS, Fit, fit, options_of
from cpbench.methods.footprint import passes
from cpbench.methods.registry import choose
from learners import CAR, CAT, DOG, learner

SAMPLING = Sampling(**TINY["sampling"])
METHODS = "lora ewc ewc-dc dsc lwf lwf-online dop ziplora clora cd-merge independent joint".split()
FEW = {"dsc": "iterations", "ziplora": "iterations", "ewc": "passes"}


@pytest.fixture(scope="module")
def counted_once():
    """A footprint is counted once for the tests that look at what is made of it."""
    known = {}

    def remembering(model, mode):
        key = model.name, model.sampling, model.dtype
        if key not in known:
            known[key] = footprint(model, mode)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cpbench.benchmark.verbs.fit.footprint", remembering)
        yield


@pytest.mark.parametrize("kind", KINDS)
def test_an_imagined_model_is_the_model_without_its_numbers(kind, tmp_path):
    _, folder = written(tmp_path / "model", KINDS[kind])
    home = tmp_path / "home"
    home.mkdir()
    assert imagined(folder, SAMPLING, "float32", home)[0].weights == "", "not known yet"
    real, (model, _) = load_backbone(folder, SAMPLING, home=home), imagined(folder, SAMPLING, "float32", home)
    assert model.weights == real.weights
    for part, module in real.modules.items():
        shapes = {name: (p.shape, p.dtype) for name, p in module.named_parameters()}
        assert {name: (p.shape, p.dtype) for name, p in model.modules[part].named_parameters()} == shapes


@pytest.mark.parametrize("kind", ["noise", "flow"])
def test_imagined_passes_take_what_real_ones_do(kind, tmp_path):
    _, folder = written(tmp_path / "model", KINDS[kind])
    found, model = footprint(*imagined(folder, SAMPLING, "float32")), load_backbone(folder, SAMPLING)
    for n in (1, 2, 5, 8, 12):
        shape = model.initial_noise(0).shape
        with torch.no_grad(), Alive() as alive:
            model.predict(torch.zeros(n, *shape), torch.zeros(n, dtype=torch.long), ["a photo"] * n)
        assert found.drawing(n) == pytest.approx(alive.peak, rel=0.1)
    assert found.keeping(4) > found.again(4) > found.drawing(4)
    assert found.weights == sum(p.numel() * 4 for m in (*model.modules.values(), model.vae) for p in _tensors(m))


def _tensors(module):
    return [t for t in (*module.parameters(), *module.buffers()) if t.dtype is torch.float32] + [
        t.repeat_interleave(t.element_size() // 4) for t in module.buffers() if t.dtype is not torch.float32
    ]


def test_what_is_alive_is_counted_once_and_until_it_is_gone():
    with Alive() as alive:
        a = torch.zeros(1000)
        b = a.view(10, 100) + 1
        del a
        c = b * 2
    assert alive.peak == 8000 and alive.now == 8000 and c.shape == (10, 100)
    grown = Growth((10, 20, 80))
    assert [grown(n) for n in (1, 2, 5, 8, 10)] == [10, 20, 50, 80, 100]


@pytest.mark.parametrize("name", METHODS)
def test_a_method_predicts_as_often_as_its_memory_is_counted_for(name, pristine, monkeypatch):
    (chosen,) = choose(name, {})
    few = {f"{section}__{option}": 1 for section, option in FEW.items() if section in chosen.options}
    made, rows = learner(name, pristine, CAT, CAR, **few), {}
    expected = {p.name: p.pictures * p.each for p in passes(options_of(chosen), DOG.batch, 3)}
    phase, predict = ["learn"], made.backbone.predict

    def counted(z, *given):
        if torch.is_grad_enabled():
            rows[phase[0]] = rows.get(phase[0], 0) + len(z)
        return predict(z, *given)

    def watch(tick):
        seen = rows.pop(phase[0], 0)
        found.setdefault(tick.phase, set()).add(seen)
        phase[0] = tick.phase
        rows.clear()

    found = {}
    monkeypatch.setattr(made.backbone, "predict", counted)
    made.learn(replace(DOG, steps=1), watch)
    for one in ("learn", "dsc", "zip"):
        assert (one in expected) == (one in found)
    assert expected["learn"] in found["learn"]
    for one in ("dsc", "zip"):
        assert one not in expected or expected[one] in found[one]


def test_a_card_is_told_the_fastest_way_that_fits_it():
    one = Fit("lora", {"learn": tuple(n * 2**30 for n in (20, 10, 7)), "draw": (2**30,) * 3}, None)
    assert [one.way(card) for card in CARDS] == [WAYS[2], WAYS[1], WAYS[0], WAYS[0]]
    assert one.way(4) is None and one.peak(0) == 20 * 2**30


@pytest.mark.usefixtures("counted_once")
def test_memory_is_told_for_a_suite_on_toybox_and_hours_where_units_are_known(tmp_path):
    from cpbench import sweep

    file = write_suite(tmp_path)
    (before,) = fit(suite=file, methods="lora")
    assert before.seconds is None and set(before.phases) == {"learn", "inspect", "encode", "draw"}
    sweep("lora", file, out=tmp_path / "runs")
    (after,) = fit(suite=file, methods="lora")
    assert after.seconds > 0 and after.phases == before.phases


@pytest.mark.usefixtures("counted_once")
def test_the_table_names_phases_cards_and_what_is_not_known(tmp_path, capsys):
    assert status_of("doctor", "--suite", str(write_suite(tmp_path)), "--methods", "lora,dsc") == 0
    out = capsys.readouterr().out
    assert all(word in out for word in ("learn", "dsc", "draw", "not known", "80 GB", "yes"))
    assert status_of("doctor", "--suite", str(tmp_path / "tiny.yaml"), "--methods", "lora", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["method"] == "lora" and row["seconds"] is None and len(row["bytes"]["learn"]) == 3


@pytest.mark.slow
def test_sdxl_of_true_size_is_imagined_in_little_memory(tmp_path, show):
    folder = settings_alone(tmp_path, SDXL, clip(768, 12, 12), clip(1280, 32, 20, 1280))
    model, _ = imagined(folder, SAMPLING.model_copy(update={"size": 1024}), "bfloat16")
    assert sum(p.numel() for p in model.network.parameters()) == 2_567_463_684, "as published"
    file = write_suite(tmp_path, sampling=TINY["sampling"] | {"size": 1024, "batch": 1})
    (lora,) = fit(folder, file, "lora", dtype="bfloat16")
    show({name: [round(b / 2**30, 1) for b in each] for name, each in lora.phases.items()})
    assert lora.peak(2) < lora.peak(1) < lora.peak(0) and lora.way(8) is None and lora.way(80) == "plain"


@pytest.mark.slow
def test_stable_diffusion_of_true_size_takes_what_was_measured_on_a_gpu(tmp_path, show):
    """Peaks of training LoRA at 512 pixels on an H200, in GiB, and the sizes of the batches: see docs/sweeps.md."""
    folder = settings_alone(tmp_path, SD15, clip(768, 12, 12))
    model, mode = imagined(folder, SAMPLING.model_copy(update={"size": 512}), "float32")
    assert sum(p.numel() for p in model.network.parameters()) == 859_520_964
    found = footprint(model, mode)
    show(found)
    assert found.keeping.each / 2**30 == pytest.approx((19.3 - 13.6) / 4, rel=0.15)


def test_an_inspection_compares_as_many_concepts_as_its_memory_is_counted_for():
    from cpbench.methods.footprint import INSPECTED
    from cpbench.methods.inspection import CANDIDATES

    assert INSPECTED == CANDIDATES
