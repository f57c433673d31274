"""``cpbench.conformance``: the contract of a method, checked on a tiny model in seconds."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...methods.registry import choose
from ..checks.conformance import CHECKS, ContractChecks, examine
from ..errors import BadInput
from ..run.quiet import quiet_libraries
from .arguments import Settings, settings_of


@dataclass(frozen=True)
class Clause:
    """A clause of the contract, and how the method breaks it (None: it keeps it)."""

    check: str
    fault: str | None


def conformance(name: str, settings: Settings | None = None) -> Iterator[Clause]:
    """Check the clauses of the contract one after another; raises BadInput for an unknown method or option."""
    (chosen,) = choose(name, settings_of(settings))
    if chosen.make is None:
        raise BadInput(f"method '{name}' never learns, so there is nothing to check; choose one that learns.")
    with tempfile.TemporaryDirectory() as folder, quiet_libraries():
        contract = ContractChecks(chosen.make, Path(folder))
        for check in CHECKS:
            yield Clause(str(check.__doc__).strip(), examine(check, contract))
