"""Deprecated: the old path of :mod:`cpbench.benchmark.scoring.metrics`, for plug-ins that import it. Removed in 0.3."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

_NEW = "cpbench.benchmark.scoring.metrics"


def __getattr__(name: str) -> Any:
    """The object of the same name in the new module, with a DeprecationWarning; raises AttributeError for others."""
    found = getattr(importlib.import_module(_NEW), name)
    warnings.warn(
        f"{__name__} is deprecated and will be removed in cpbench 0.3; import {name} from {_NEW}.",
        DeprecationWarning,
        stacklevel=2,
    )
    return found
