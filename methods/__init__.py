"""Methods: adapters, consolidations, and the catalogue that names their pairs.

The package can be called: ``cpbench.methods()`` lists all methods as a DataFrame.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    def __call__(self) -> Any:
        """All methods, one per row (:func:`cpbench.benchmark.verbs.listing.methods`)."""
        return import_module("cpbench.benchmark.verbs.listing").methods()  # by name: methods import no verbs


sys.modules[__name__].__class__ = _CallablePackage
