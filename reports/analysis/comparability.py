"""What differs between two runs, and whether they may still be compared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...benchmark.plain_json import json_text
from ...benchmark.records.history import SHARED, digests_of, line_of, read_history, shipped_fingerprints
from ...benchmark.wording import one_line
from .entry import Entry


@dataclass(frozen=True)
class Unequal:
    """One thing that differs between two runs, and what follows from it."""

    what: str
    first: str
    second: str
    follows: str


FORBIDS = "these runs cannot be compared"
COMPARED = "this is what is compared"
UNPAIRED = "these runs are not a pair: compare means over several runs"
ROUNDING = "the last bits may differ"
OTHER_CODE = "other code: the difference may come from it"
EQUAL_CODE = "other code with equal fingerprints, so with the same numbers"


def conditions(result: Entry) -> dict[str, str]:
    """What two runs must share to be in one table."""
    r = result.run
    found = {
        "suite": f"{r.suite} (version {r.suite_version}, {r.suite_hash})",
        "backbone": f"{r.backbone} ({r.weights})",
        "profile": f"{r.profile} ({', '.join(f'{k} {v[:8]}' for k, v in sorted(r.extractors.items()))})",
        "protocol": r.protocol,
        "device": r.device,
        "dtype": r.dtype,
        "tasks": str(len(r.order)),
        "pictures per cell": ", ".join(map(str, result.drawn)),
    }
    return {name: one_line(text) for name, text in found.items()}


def by_conditions(results: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Runs that may be in one table, by their :func:`conditions` as JSON; of several strengths, those of the full."""
    return {key: full(own) for key, own in at_all_strengths(results).items()}


def at_all_strengths(results: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Runs that differ in method, order, seed and strength only, by their :func:`conditions` as JSON."""
    found: dict[str, list[Entry]] = defaultdict(list)
    for result in results:
        found[json_text(conditions(result))].append(result)
    return found


def full(results: Sequence[Entry]) -> list[Entry]:
    """The runs of the strength 1; if there are none, those of the greatest strength."""
    strengths = {result.run.strength for result in results}
    main = 1.0 if 1.0 in strengths else max(strengths)
    return [result for result in results if result.run.strength == main]


def unequal(a: Entry, b: Entry) -> Iterator[Unequal]:
    """What differs between two runs, the most serious first."""
    first, second = conditions(a), conditions(b)
    for key in first:
        if first[key] != second[key]:
            yield Unequal(key, first[key], second[key], FORBIDS)
    if a.run.strength != b.run.strength:
        yield Unequal("strength", f"{a.run.strength:g}", f"{b.run.strength:g}", COMPARED)
    if a.run.method != b.run.method:
        yield Unequal("method", a.run.method, b.run.method, COMPARED)
    one, two = (_flat(e.run.options) for e in (a, b))
    for key in sorted(one.keys() | two.keys()):
        if one.get(key) != two.get(key):
            yield Unequal(key, one.get(key, "-"), two.get(key, "-"), COMPARED)
    if a.order != b.order:
        yield Unequal("order", " ".join(a.order), " ".join(b.order), UNPAIRED)
    if a.run.seed != b.run.seed:
        yield Unequal("seed", str(a.run.seed), str(b.run.seed), UNPAIRED)
    yield from _of_code(a, b)
    one, two = (_flat(e.environment) for e in (a, b))
    for key in sorted(one.keys() | two.keys()):
        if one.get(key) != two.get(key):
            yield Unequal(key, one.get(key, "-"), two.get(key, "-"), ROUNDING)


def _of_code(a: Entry, b: Entry) -> Iterator[Unequal]:
    """Which code differs, and whether its numbers do; that of two methods is what is compared."""
    history = read_history(shipped_fingerprints())
    digests = [digests_of(e.run.method, e.code, e.environment.get("commit")) for e in (a, b)]
    for name in (*SHARED, a.run.method) if a.run.method == b.run.method else SHARED:
        first, second = (found[name] for found in digests)
        if first != second:
            same = line_of(name, first, history) == line_of(name, second, history)
            yield Unequal(f"code of {name}", first, second, EQUAL_CODE if same else OTHER_CODE)


def _flat(content: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """Nested mappings as one, with keys joined by dots."""
    found: dict[str, str] = {}
    for key, value in content.items():
        found |= _flat(value, f"{before}{key}.") if isinstance(value, Mapping) else {f"{before}{key}": str(value)}
    return found
