"""cpbench: a benchmark of continual personalization for text-to-image diffusion models.

The verbs do everything that the commands do: :func:`sweep`, :func:`score`, :func:`check`, :func:`fingerprints`,
:func:`compare`, :func:`tune`, :func:`report`, :func:`validate`, :func:`speed`, :func:`load_results`,
:func:`load_suite`, :func:`methods`. They return values, raise :class:`CpbenchError`, and print nothing. Public names
are loaded when first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .benchmark.checks.regression import Verdict as Verdict
    from .benchmark.errors import CpbenchError as CpbenchError
    from .benchmark.models.backbone import Backbone as Backbone
    from .benchmark.models.loading import load_backbone as load_backbone
    from .benchmark.protocol import Method as Method
    from .benchmark.protocol import Prompt as Prompt
    from .benchmark.protocol import Subject as Subject
    from .benchmark.protocol import Task as Task
    from .benchmark.records.reading import read_result as read_result
    from .benchmark.records.result import Result as Result
    from .benchmark.suite.spec import Suite as Suite
    from .benchmark.suite.spec import load_suite as load_suite
    from .benchmark.verbs.adapters import score_adapters as score_adapters
    from .benchmark.verbs.check import check as check
    from .benchmark.verbs.compare import compare as compare
    from .benchmark.verbs.conformance import conformance as conformance
    from .benchmark.verbs.export import export as export
    from .benchmark.verbs.fingerprints import fingerprints as fingerprints
    from .benchmark.verbs.listing import methods as methods
    from .benchmark.verbs.own import folder_suite as folder_suite
    from .benchmark.verbs.report import report as report
    from .benchmark.verbs.results import load_results as load_results
    from .benchmark.verbs.sample import sample as sample
    from .benchmark.verbs.score import score as score
    from .benchmark.verbs.speed import speed as speed
    from .benchmark.verbs.sweep import sweep as sweep
    from .benchmark.verbs.tune import tune as tune
    from .benchmark.verbs.validate import validate as validate
    from .reports.results import Results as Results

__version__ = "0.1.0"

_PUBLIC = {
    "sweep": "benchmark.verbs.sweep",
    "score": "benchmark.verbs.score",
    "score_adapters": "benchmark.verbs.adapters",
    "check": "benchmark.verbs.check",
    "compare": "benchmark.verbs.compare",
    "tune": "benchmark.verbs.tune",
    "report": "benchmark.verbs.report",
    "folder_suite": "benchmark.verbs.own",
    "export": "benchmark.verbs.export",
    "sample": "benchmark.verbs.sample",
    "conformance": "benchmark.verbs.conformance",
    "fingerprints": "benchmark.verbs.fingerprints",
    "validate": "benchmark.verbs.validate",
    "speed": "benchmark.verbs.speed",
    "load_results": "benchmark.verbs.results",
    "Results": "reports.results",
    "Verdict": "benchmark.checks.regression",
    "Method": "benchmark.protocol",
    "Prompt": "benchmark.protocol",
    "Subject": "benchmark.protocol",
    "Task": "benchmark.protocol",
    "Backbone": "benchmark.models.backbone",
    "load_backbone": "benchmark.models.loading",
    "Suite": "benchmark.suite.spec",
    "load_suite": "benchmark.suite.spec",
    "Result": "benchmark.records.result",
    "read_result": "benchmark.records.reading",
    "CpbenchError": "benchmark.errors",
}
__all__ = [*_PUBLIC, "__version__", "methods"]


def __getattr__(name: str) -> Any:
    if name == "methods":  # a package that can be called: methods() lists them
        return import_module(".methods", __name__)
    if name not in _PUBLIC:
        raise AttributeError(f"module 'cpbench' has no attribute '{name}'")
    return getattr(import_module(f".{_PUBLIC[name]}", __name__), name)
