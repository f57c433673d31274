"""cpbench: a benchmark of continual personalization for text-to-image diffusion models.

The public names are loaded when first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "Method": "benchmark.protocol",
    "Prompt": "benchmark.protocol",
    "Subject": "benchmark.protocol",
    "Task": "benchmark.protocol",
    "Backbone": "benchmark.models.backbone",
    "load_backbone": "benchmark.models.loading",
    "Suite": "benchmark.suite.spec",
    "load_suite": "benchmark.suite.spec",
    "Result": "benchmark.records.result",
    "read_result": "benchmark.records.result",
    "CpbenchError": "benchmark.errors",
}
__all__ = [*_PUBLIC, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'cpbench' has no attribute '{name}'")
    return getattr(import_module(f".{_PUBLIC[name]}", __name__), name)
