"""The outcome of a check as text: Markdown for people, JUnit XML for CI servers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Protocol
from xml.etree import ElementTree

from ..records.unmeasured import PAIR_SHARES
from ..wording import counted
from .regression import FALSE_ALARM, POWER, Mismatch, Verdict

_SHOWN = 20
_HEADLINES = ("identity", "image_align")
_SHARES = ("identity", "dc_accuracy", "dc_accuracy_bare", "copying", *PAIR_SHARES)  # a point is 1 % of these


class Differing(Protocol):
    """A quantity of a fingerprint that is not as stored."""

    @property
    def quantity(self) -> str:
        """Its name."""
        ...

    @property
    def stored(self) -> str:
        """What is stored."""
        ...

    @property
    def now(self) -> str:
        """What was computed."""
        ...

    @property
    def relative(self) -> float:
        """The relative difference; infinite for texts."""
        ...


class Fingerprint(Protocol):
    """The comparison of a fingerprint, see :mod:`..fingerprints.stored`."""

    @property
    def name(self) -> str:
        """What was computed."""
        ...

    @property
    def quantities(self) -> int:
        """How many quantities were compared."""
        ...

    @property
    def differences(self) -> Sequence[Differing]:
        """Those that differ, in the order of computation."""
        ...

    @property
    def largest(self) -> float:
        """The largest relative difference of the others."""
        ...


def to_markdown(verdicts: Sequence[Verdict], fingerprints: Sequence[Fingerprint] = ()) -> str:
    """The summary, one row per fingerprint that differs and per run, and the values that changed, at most 20 each."""
    lines = ["# cpbench check", ""]
    if fingerprints:
        lines += [fingerprint_sentence(fingerprints), ""]
        lines += _table(
            "fingerprint | first difference | stored | now | relative | quantities that differ",
            [(*row, str(len(f.differences))) for f in fingerprints if (row := first_row(f))],
        )
    if verdicts:
        lines += [sentence(verdicts), ""]
        rows = [(name_of(v), str(v.compared), how(v), missed(v) or "none", str(len(v.differences))) for v in verdicts]
        lines += _table("run | compared | how | changes it misses | changed", rows)
    differences = [m for v in verdicts for m in v.differences[:_SHOWN]]
    hidden = sum(max(0, len(v.differences) - _SHOWN) for v in verdicts)
    lines += _table(
        "run | what | stored | now | allowed", [(m.run, m.what, m.stored, m.now, allowed(m)) for m in differences]
    )
    if hidden:
        lines += [f"Not shown: {counted(hidden, 'more changed value')}."]
    return "\n".join(lines).rstrip("\n") + "\n"


def _table(columns: str, rows: Sequence[Sequence[str]]) -> list[str]:
    """A table with an empty line after it; nothing without rows."""
    if not rows:
        return []
    n = columns.count("|") + 1
    cells = ("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)
    return [f"| {columns} |", "|" + "---|" * n, *cells, ""]


def to_junit(verdicts: Sequence[Verdict], fingerprints: Sequence[Fingerprint] = ()) -> str:
    """One test case per fingerprint and per run; the text of its failure lists all values that changed."""
    cases = [_fingerprint_case(f) for f in fingerprints] + [_case(v) for v in verdicts]
    suite = ElementTree.Element("testsuite", name="cpbench check", tests=str(len(cases)))
    suite.set("failures", str(sum(case.find("failure") is not None for case in cases)))
    suite.extend(cases)
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _fingerprint_case(f: Fingerprint) -> ElementTree.Element:
    case = ElementTree.Element("testcase", classname="fingerprint", name=f.name)
    if f.differences:
        message = f"{counted(len(f.differences), 'quantity', 'quantities')} changed, first {f.differences[0].quantity}"
        failure = ElementTree.SubElement(case, "failure", message=message)
        failure.text = "\n".join(f"{d.quantity}: {d.stored} -> {d.now} ({relative(d)})" for d in f.differences)
    return case


def _case(v: Verdict) -> ElementTree.Element:
    case = ElementTree.Element("testcase", classname=v.run.suite, name=f"{v.run.method}, seed {v.run.seed}")
    if v.differences:
        failure = ElementTree.SubElement(case, "failure", message=f"{counted(len(v.differences), 'value')} changed")
        failure.text = "\n".join(f"{m.what}: {m.stored} -> {m.now} (allowed {allowed(m)})" for m in v.differences)
    if v.resolution:
        out = ElementTree.SubElement(case, "system-out")
        out.text = "\n".join(
            f"{name}: a change below {size:.3g} is found with a probability of less than {POWER:.0%}"
            for name, size in v.resolution.items()
        )
    return case


def sentence(verdicts: Sequence[Verdict]) -> str:
    """The outcome of whole runs in a few sentences, with the size of the changes that they would not show."""
    bad, inexact = sum(bool(v.differences) for v in verdicts), [v for v in verdicts if not v.exact]
    runs = counted(len(verdicts), "run")
    if not inexact:
        return f"{bad} of {runs} changed." if bad else f"{runs} compared, and nothing changed."
    text = f"{bad} of {runs} changed." if bad else f"{runs} compared, and no change was found."
    return (
        f"{text} The machine or the packages of {counted(len(inexact), 'run')} differ from those of the stored runs, "
        f"so differences within the spread between seeds are allowed. {_resolution(inexact)} By chance, "
        f"{FALSE_ALARM:.0%} of such checks fail although nothing has changed."
    )


def _resolution(verdicts: Sequence[Verdict]) -> str:
    """What the comparison within the spread of seeds would miss, over some runs."""
    metric = next((m for m in _HEADLINES if any(_at_end(m) in v.resolution for v in verdicts)), "")
    found = [r for v in verdicts if math.isfinite(r := v.resolution.get(_at_end(metric), math.inf))]
    if not found:
        return "The spread between seeds is unknown, so a change of any size would be missed."
    size = f"{_points(metric, median(found))} in the average {metric}"
    return (
        f"A change of {size} (median of the runs) is found with a probability of {POWER:.0%}; smaller ones are "
        "likely to be missed."
    )


def _at_end(metric: str) -> str:
    return f"{metric}, at the end"


def _points(metric: str, size: float) -> str:
    """A size in points of a share, in hundredths; of other metrics, as it is."""
    return f"{100 * size:.3g} points" if metric in _SHARES else f"{size:.3g}"


def missed(verdict: Verdict) -> str:
    """The changes that the comparison of a run is likely to miss; empty where it misses none."""
    if verdict.exact:
        return ""
    for metric in _HEADLINES:
        size = verdict.resolution.get(_at_end(metric), math.inf)
        if math.isfinite(size):
            return f"below {_points(metric, size)} of {metric}"
    return "any: the spread between seeds is unknown"


def fingerprint_sentence(found: Sequence[Fingerprint]) -> str:
    """The outcome of fingerprints in one sentence."""
    bad, count = sum(bool(f.differences) for f in found), sum(f.quantities for f in found)
    what = f"{counted(len(found), 'fingerprint')} of {counted(count, 'quantity', 'quantities')}"
    if bad:
        return f"{bad} of {what} changed."
    return f"{what} compared, and nothing changed; largest relative difference {max(f.largest for f in found):.0e}."


def first_row(f: Fingerprint) -> tuple[str, str, str, str, str] | None:
    """Name, first quantity that differs, stored, now, and the relative difference; None where none differs."""
    first = next(iter(f.differences), None)
    return None if first is None else (f.name, first.quantity, first.stored, first.now, relative(first))


def relative(difference: Differing) -> str:
    """The relative difference as text; ``other`` for texts, other lengths, and what is missing."""
    return f"{difference.relative:.1e}" if math.isfinite(difference.relative) else "other"


def name_of(verdict: Verdict) -> str:
    """The run of a verdict in a few words."""
    return f"{verdict.run.method} (seed {verdict.run.seed})"


def how(verdict: Verdict) -> str:
    """The kind of comparison in a few words."""
    return "equal" if verdict.exact else "within the spread of seeds"


def allowed(mismatch: Mismatch) -> str:
    """The allowed deviation as text: ``±0.01``, or ``equal`` where none is allowed."""
    return f"±{mismatch.allowed:.3g}" if mismatch.allowed else "equal"
