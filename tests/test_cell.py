"""Metrics by name, those of other packages, and profiles."""

import importlib
import runpy
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.models.extractors import EXTRACTORS
from cpbench.benchmark.scoring import metrics as module
from cpbench.benchmark.scoring.metrics import METRICS, Cell, Metric, load_metric, rows
from cpbench.benchmark.scoring.profiles import PROFILES, load_profile

BRIGHTNESS = Metric("brightness", True, lambda cell, profile: cell.pictures.mean(axis=(1, 2, 3)), "how bright")


def cell(**changes):
    pictures = np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), dtype=np.uint8)
    fields = {"kind": "concept", "pictures": pictures, "prompts": np.array([0, 0, 1, 1]), "drawn": np.eye(4)}
    return Cell(**(fields | changes))


@pytest.fixture
def published(monkeypatch):
    """Entry points of the group, by name and what loading them gives."""

    def publish(*points):
        found = []
        for name, loaded in points:
            point = EntryPoint(name, f"package:{name}", module.GROUP)

            def load(loaded=loaded):
                if isinstance(loaded, Exception):
                    raise loaded
                return loaded

            found.append(SimpleNamespace(name=point.name, value=point.value, load=load))
        monkeypatch.setattr(module, "entry_points", lambda group: found)

    return publish


def test_a_metric_of_another_package_is_measured_prompt_by_prompt(published):
    published(("brightness", BRIGHTNESS))
    found = list(rows("brightness", cell(), load_profile("toybox")))
    assert [(r["prompt"], r["value"], r["n"]) for r in found] == [(0, 0.5, 2), (1, 2.5, 2)]
    assert all(r["higher_is_better"] for r in found)


def test_a_metric_published_twice_names_both_owners_and_a_broken_one_hurts_only_who_asks(published):
    published(("twice", BRIGHTNESS), ("twice", BRIGHTNESS), ("broken", RuntimeError("no such file")), ("odd", 3))
    with pytest.raises(BadInput, match="published twice: by package:twice and by package:twice"):
        load_metric("twice")
    with pytest.raises(BadInput, match="no such file"):
        load_metric("broken")
    with pytest.raises(BadInput, match=r"'odd' of package:odd .*cpbench\.benchmark\.scoring\.metrics\.Metric"):
        load_metric("odd")
    assert load_metric("mmd") is METRICS["mmd"]


@pytest.mark.parametrize("name", ["Metric", "Cell", "METRICS", "load_metric", "rows", "GROUP"])
def test_the_old_path_of_plug_ins_gives_the_same_objects_with_a_warning_that_names_the_new_one(name):
    with pytest.warns(DeprecationWarning, match=rf"0\.3; import {name} from cpbench\.benchmark\.scoring\.metrics"):
        found = getattr(importlib.import_module("cpbench.benchmark.cell"), name)
    assert found is getattr(module, name)


def test_the_warning_points_at_the_line_that_imports_from_the_old_path(tmp_path):
    (tmp_path / "plugin.py").write_text("from cpbench.benchmark.cell import Metric\n")
    with pytest.warns(DeprecationWarning) as caught:
        runpy.run_path(str(tmp_path / "plugin.py"))
    assert {Path(w.filename).name for w in caught} == {"plugin.py"}


def test_a_name_that_the_old_path_never_had_is_an_ordinary_error():
    with pytest.raises(ImportError, match="Nothing"):
        from cpbench.benchmark.cell import Nothing  # noqa: F401


def test_an_unknown_metric_is_told_what_is_near(published):
    published()
    with pytest.raises(BadInput, match="did you mean identity"):
        load_metric("identiti")


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda p: p.name)
def test_a_profile_names_known_metrics_and_extractors_its_aligners_among_them(profile):
    for name in profile.metrics:
        load_metric(name)
    assert set(profile.extractors) <= set(EXTRACTORS)
    assert profile.aligner in (*profile.extractors, "toybox-clip", None)


def test_a_metric_that_does_not_apply_or_is_not_a_number_has_no_row():
    assert list(rows("identity", cell(), load_profile("toybox"))) == []
    alone = cell(prompts=np.array([0, 1, 2, 3]))
    assert list(rows("diversity", alone, load_profile("toybox"))) == []


@pytest.mark.slow
def test_the_standard_error_of_a_cell_covers_its_sampling_over_prompts_and_pictures():
    rng = np.random.default_rng(0)
    real, held = rng.normal(0, 1, (2000, 8)), 0
    truth = np.mean([METRICS["mmd"].of(_sampled(rng, real, 400), load_profile("toybox")) for _ in range(40)])
    for _ in range(300):
        (row,) = rows("mmd", _sampled(rng, real, 32), load_profile("toybox"))
        held += abs(row["value"] - truth) <= 2.365 * row["se"]  # Student's with 8 prompts
    assert 0.90 <= held / 300 <= 0.99


def _sampled(rng, real, n):
    """n pictures of 8 prompts, shifted from the real ones."""
    return cell(
        pictures=np.zeros((n, 1, 1, 3), np.uint8),
        prompts=np.repeat(np.arange(8), n // 8),
        drawn=rng.normal(0.7, 1, (n, 8)),
        real=real,
    )
