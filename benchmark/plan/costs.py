"""The costs of units by kind: measured on units in the store, or guessed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from ..plain_json import parse_json
from ..storage.files import RECORD
from ..storage.store import Store, owed_bytes
from .units import Kind

_SAMPLE = 300
_GUESS = {"Train": 30.0, "Draw": 3.0, "Measure": 0.5, "Real": 1.0, "Classify": 2.0}  # seconds on two cores


@dataclass(frozen=True)
class Costs:
    """Mean seconds and bytes per unit, by kind, and the number of units that they were measured on.

    ``calibrated``: kinds that the store has no such units of were timed on this machine. ``foreign``: kinds whose means
    are those of other suites with the same weights, since the store has none that are alike. ``peak``: the largest
    memory in bytes that a unit alike has recorded.
    """

    seconds: Mapping[Kind, float]
    bytes: Mapping[Kind, float]
    measured: int
    calibrated: bool = False
    foreign: frozenset[str] = frozenset()
    peak: int = 0

    def time(self, units: Counter[Kind], jobs: int = 1) -> float:
        """The seconds that units take in ``jobs`` processes."""
        return sum(n * self.second(kind) for kind, n in units.items()) / jobs

    def second(self, kind: Kind) -> float:
        """The seconds of one unit: the mean of its kind and method, else of its kind, else a guess."""
        return self.seconds.get(kind, self.seconds.get((kind[0], ""), _GUESS[kind[0]]))

    def disk(self, units: Counter[Kind]) -> float:
        """The bytes on disk that units take; 0 if no unit of their kind is stored."""
        return sum(n * self.bytes.get(kind, self.bytes.get((kind[0], ""), 0.0)) for kind, n in units.items())


def costs(store: Store, there: set[str], like: Mapping[str, str] | None = None) -> Costs:
    """Costs measured on about 300 of the finished units ``there``, evenly spread over their keys, which are random.

    ``like``: the suite and the weights. If a kind has units with these, only they count; units of other weights never
    do, since an update of one model may take a thousand times as long as that of another.
    """
    keys = sorted(there)
    seconds: dict[bool, dict[Kind, list[float]]] = {alike: defaultdict(list) for alike in (False, True)}
    space: dict[bool, dict[Kind, list[float]]] = {alike: defaultdict(list) for alike in (False, True)}
    peak = 0
    for key in keys[:: max(1, len(keys) // _SAMPLE)]:
        try:
            meta = parse_json((store.folder / key / RECORD).read_text())
            kind, method = meta["inputs"]["kind"].capitalize(), meta["inputs"].get("method", "")
        except (OSError, ValueError, KeyError):
            continue  # damaged: it is set aside when it is read
        if like and meta["inputs"].get("weights") != like.get("weights"):
            continue
        alike = all(meta["inputs"].get(name) == value for name, value in (like or {}).items())
        peak = max(peak, meta.get("measured", {}).get("peak_memory_bytes", 0) if alike else 0)
        for name in {(kind, method), (kind, "")}:
            seconds[alike][name] += [meta["seconds"]] if "seconds" in meta else []
            space[alike][name].append(owed_bytes(store.folder / key))
    own = {kind for (kind, _), found in seconds[True].items() if found}
    foreign = frozenset(kind for kind, _ in seconds[False]) - own
    return Costs(_means(seconds), _means(space), len(keys[:: max(1, len(keys) // _SAMPLE)]), False, foreign, peak)


def _means(values: Mapping[bool, Mapping[Kind, list[float]]]) -> dict[Kind, float]:
    """Means over the units that are alike, or over the others for kinds without such units."""
    alike = {kind: v for kind, v in values[True].items() if v}
    kinds = {kind for kind, _ in alike}
    others = {name: v for name, v in values[False].items() if v and name[0] not in kinds}
    return {name: sum(v) / len(v) for name, v in (others | alike).items()}
