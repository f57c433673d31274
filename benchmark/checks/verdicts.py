"""The outcome of a check as text: Markdown for people, JUnit XML for CI servers."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from ..wording import counted
from .regression import FALSE_ALARM, Mismatch, Verdict

_SHOWN = 20


def to_markdown(verdicts: Sequence[Verdict]) -> str:
    """The summary, one row per run, and a table of the values that changed, at most 20 per run."""
    differences = [m for v in verdicts for m in v.differences[:_SHOWN]]
    hidden = sum(max(0, len(v.differences) - _SHOWN) for v in verdicts)
    lines = ["# cpbench check", "", sentence(verdicts), "", "| run | compared | how | changed |", "|---|---:|---|---:|"]
    for v in verdicts:
        lines.append(f"| {v.run.method} (seed {v.run.seed}) | {v.compared} | {how(v)} | {len(v.differences)} |")
    if differences:
        lines += ["", "| run | what | stored | now | allowed |", "|---|---|---:|---:|---:|"]
        lines += [f"| {m.run} | {m.what} | {m.stored} | {m.now} | {allowed(m)} |" for m in differences]
    if hidden:
        lines += ["", f"Not shown: {counted(hidden, 'more changed value')}."]
    return "\n".join(lines) + "\n"


def to_junit(verdicts: Sequence[Verdict]) -> str:
    """One test case per run; the text of its failure lists all values that changed."""
    suite = ElementTree.Element("testsuite", name="cpbench check", tests=str(len(verdicts)))
    suite.set("failures", str(sum(bool(v.differences) for v in verdicts)))
    for v in verdicts:
        case = ElementTree.SubElement(
            suite, "testcase", classname=v.run.suite, name=f"{v.run.method}, seed {v.run.seed}"
        )
        if v.differences:
            message = f"{counted(len(v.differences), 'value')} changed"
            failure = ElementTree.SubElement(case, "failure", message=message)
            failure.text = "\n".join(f"{m.what}: {m.stored} -> {m.now} (allowed {allowed(m)})" for m in v.differences)
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def sentence(verdicts: Sequence[Verdict]) -> str:
    """The outcome in one or two sentences."""
    bad, inexact = sum(bool(v.differences) for v in verdicts), sum(not v.exact for v in verdicts)
    runs = counted(len(verdicts), "run")
    text = f"{bad} of {runs} changed." if bad else f"{runs} compared, and nothing changed."
    if inexact:
        text += (
            f" The machine or the packages of {counted(inexact, 'run')} differ from those of the stored runs, so "
            "differences within the spread between seeds are allowed. By chance, "
            f"{FALSE_ALARM:.0%} of such checks fail although nothing has changed."
        )
    return text


def how(verdict: Verdict) -> str:
    """The kind of comparison in a few words."""
    return "equal" if verdict.exact else "within the spread of seeds"


def allowed(mismatch: Mismatch) -> str:
    """The allowed deviation as text: ``±0.01``, or ``equal`` where none is allowed."""
    return f"±{mismatch.allowed:.3g}" if mismatch.allowed else "equal"
