"""The modules that methods of the catalogue consist of, by name, and a digest of their code. Imports no torch."""

from __future__ import annotations

from ..benchmark.sources import code_digest
from .catalogue import CATALOGUE

_ADAPTERS = {"tokens": "base", "kv": "keys_values", "lora": "low_rank", "vera": "vera"}
"""The module of each adapter; that of a consolidation has its name."""


def modules_of(name: str) -> list[str]:
    """The full names of the modules that a method of the catalogue consists of; none for the base model."""
    row = CATALOGUE[name]
    if not row.adapter:
        return []
    own = ["learner", f"adapters.{_ADAPTERS[row.adapter]}", *(f"consolidations.{part}" for part in row.consolidations)]
    return [f"{__package__}.{module}" for module in own]


def code_of(name: str) -> str:
    """A digest of the code that a method of the catalogue consists of; empty for the base model."""
    modules = modules_of(name)
    return code_digest(modules) if modules else ""
