"""What units cost, by kind: from those that the store has, else a guess."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from ..storage.store import RECORD, Store, disk_bytes
from .units import Kind

_SAMPLE = 300
_GUESS = {"Train": 30.0, "Draw": 3.0, "Measure": 0.5, "Real": 1.0, "Classify": 2.0}  # seconds on two cores


@dataclass(frozen=True)
class Costs:
    """Mean seconds and bytes of a unit by kind, and how many units they are the mean of."""

    seconds: Mapping[Kind, float]
    bytes: Mapping[Kind, float]
    measured: int
    calibrated: bool = False

    def time(self, units: Counter[Kind], jobs: int = 1) -> float:
        """Seconds that units will take in ``jobs`` processes."""
        return sum(n * self.second(kind) for kind, n in units.items()) / jobs

    def second(self, kind: Kind) -> float:
        """Seconds of one unit: of its kind and method, else of its kind, else a guess."""
        return self.seconds.get(kind, self.seconds.get((kind[0], ""), _GUESS[kind[0]]))

    def disk(self, units: Counter[Kind]) -> float:
        """Bytes on disk that units will take; 0 where none like them was ever kept."""
        return sum(n * self.bytes.get(kind, self.bytes.get((kind[0], ""), 0.0)) for kind, n in units.items())


def costs(store: Store, there: set[str], like: Mapping[str, str] | None = None) -> Costs:
    """Costs from at most 300 units, spread evenly over the keys (which are as good as random).

    ``like``: inputs, as suite and weights; of a kind that such units are of, no others count.
    """
    keys = sorted(there)
    seconds: dict[bool, dict[Kind, list[float]]] = {alike: defaultdict(list) for alike in (False, True)}
    space: dict[bool, dict[Kind, list[float]]] = {alike: defaultdict(list) for alike in (False, True)}
    for key in keys[:: max(1, len(keys) // _SAMPLE)]:
        try:
            meta = json.loads((store.folder / key / RECORD).read_text())
            kind, method = meta["inputs"]["kind"].capitalize(), meta["inputs"].get("method", "")
        except (OSError, ValueError, KeyError):
            continue  # damaged: found when it is read
        alike = all(meta["inputs"].get(name) == value for name, value in (like or {}).items())
        for name in {(kind, method), (kind, "")}:
            seconds[alike][name] += [meta["seconds"]] if "seconds" in meta else []
            space[alike][name].append(disk_bytes(store.folder / key))
    return Costs(_means(seconds), _means(space), len(keys[:: max(1, len(keys) // _SAMPLE)]))


def _means(values: Mapping[bool, Mapping[Kind, list[float]]]) -> dict[Kind, float]:
    """Means of the units that are alike, and of the others for kinds that none of these is of."""
    alike = {kind: v for kind, v in values[True].items() if v}
    kinds = {kind for kind, _ in alike}
    others = {name: v for name, v in values[False].items() if v and name[0] not in kinds}
    return {name: sum(v) / len(v) for name, v in (others | alike).items()}
