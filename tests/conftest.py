"""What the tests share: a tiny suite, the tiny backbone, and a home of their own."""

from __future__ import annotations

import os
import signal
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import settings
from rich.console import Console

from cpbench.benchmark.models.backbone import Backbone
from cpbench.benchmark.models.feature_cache import FeatureCache
from cpbench.benchmark.models.loading import load_backbone
from cpbench.benchmark.protocol import Pictures, Subject, Task
from cpbench.benchmark.run import features
from cpbench.benchmark.storage.store import Store
from cpbench.benchmark.suite.spec import Sampling, Suite, load_suite
from cpbench.benchmark.toybox.world import portraits, unusual_individual

settings.register_profile("untimed", deadline=None)  # a busy machine is no fault of the code
settings.load_profile("untimed")

TINY = {
    "name": "tiny-2",
    "version": 1,
    "title": "Two individuals, few steps.",
    "licence": "Apache-2.0",
    "backbone": "tiny",
    "concepts": [
        {"name": "mallow", "noun": "cat", "toybox": 11},
        {"name": "rumble", "noun": "car", "toybox": 12},
    ],
    "prompts": {
        "train": "photo of a {}",
        "evaluation": ["photo of a {}", "a photo of a {} at night"],
        "pairs": ["photo of a {} and a {}"],
        "prior": ["photo of a red cup"],
    },
    "training": {"steps": 3, "batch": 2, "pictures": 2},
    "sampling": {"sampler": "dpm++", "steps": 2, "guidance": 2.0, "batch": 8, "size": 64},
    "evaluation": {"per_prompt": 2, "references": 4, "distractors": 2, "profile": "toybox"},
}


CODE = dict.fromkeys(("train", "draw", "real", "measure", "classify"), "c")
"""Digests of the code for planners, since none matters to these tests."""


def share_of_campaigns(usual: float) -> float:
    """The share of a campaign that is tried: that in CPBENCH_FUZZ, else the usual one; 1 is all of it."""
    return float(os.environ.get("CPBENCH_FUZZ", usual))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep one part of all tests, such as 1/2, where CPBENCH_PART asks for it: the parts together are all."""
    part, _, parts = os.environ.get("CPBENCH_PART", "1/1").partition("/")
    places = [zlib.crc32(item.nodeid.encode()) % int(parts) + 1 for item in items]
    rest = [item for item, place in zip(items, places, strict=True) if place != int(part)]
    if rest:
        config.hook.pytest_deselected(items=rest)
        items[:] = [item for item, place in zip(items, places, strict=True) if place == int(part)]


def write_suite(folder: Path, **changes: object) -> Path:
    """A YAML file of the tiny suite with top-level fields replaced; None removes one."""
    content = {k: v for k, v in (TINY | changes).items() if v is not None}
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Tiny matrices gain nothing from threads, and lose much where other work waits for the same cores."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c() -> None:
    """Tests that a script started in its background inherit an ignored SIGINT, and so would what they start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def suite_file(tmp_path: Path) -> Path:
    return write_suite(tmp_path)


@pytest.fixture
def suite(suite_file: Path) -> Suite:
    return load_suite(str(suite_file))


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CPBENCH_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="session", autouse=True)
def _one_core() -> Iterator[None]:
    """What is asked in this process is computed in it: tests can replace its parts, and no other one loads a model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cpbench.benchmark.run.jobs.cores", lambda: 1)
        yield


@pytest.fixture(scope="session", autouse=True)
def _extracted_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """All tests show their extractors the same real pictures: each is loaded once, and sees a set of pictures once."""
    load, folder = cache(features.load_extractor), tmp_path_factory.mktemp("features")

    def remembering(name: str, device: torch.device) -> FeatureCache:
        found = load(name, device)
        return FeatureCache(folder / device.type, found, found.key)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "load_extractor", remembering)
        yield


@pytest.fixture(scope="session")
def pristine() -> Backbone:
    return load_backbone("tiny", Sampling(sampler="dpm++", steps=2, guidance=2.0, batch=8, size=64))


@pytest.fixture
def backbone(pristine: Backbone) -> Backbone:
    return pristine.copy()


@pytest.fixture
def warnings() -> list[str]:
    """What the store warned of."""
    return []


@pytest.fixture
def store(tmp_path: Path, warnings: list[str]) -> Store:
    """An empty store."""
    return Store(tmp_path / "units", warnings.append)


@pytest.fixture
def extracted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Pictures]]:
    """The name of the extractor and the pictures of each extraction."""
    seen, load = list[tuple[str, Pictures]](), features.load_extractor

    def counting(name: str, device: torch.device) -> Any:
        found = load(name, device)

        def extract(pictures: Pictures) -> Any:
            seen.append((name, pictures))
            return found(pictures)

        extract.key = found.key
        return extract

    monkeypatch.setattr(features, "load_extractor", counting)
    return seen


@pytest.fixture
def show(capfd: pytest.CaptureFixture[str]) -> Callable[[object], None]:
    """Prints what was measured into the output of the tests, also where they pass."""

    def shown(what: object) -> None:
        with capfd.disabled():
            print()
            Console(width=110).print(what, highlight=False)

    return shown


def task(number: int, noun: str, name: str, steps: int = 3) -> Task:
    """A small task of the toybox world."""
    import numpy as np

    pictures = np.stack(portraits([unusual_individual(noun, 40 + number)], 2, number))
    return Task(number, Subject(name, noun), pictures, "photo of a {}", steps, 2, seed=number)


def status_of(*arguments: object) -> int:
    """The exit status of a command that is run in this process."""
    from cpbench.benchmark.cli.main import main

    try:
        main([str(a) for a in arguments])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def outcome_of(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit status, output and errors of a command that is run in this process."""
    status = status_of(*arguments)
    captured = capsys.readouterr()
    return status, captured.out, captured.err
