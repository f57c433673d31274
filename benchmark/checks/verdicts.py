"""How the outcome of a check is told: as Markdown for people, and as JUnit XML for machines."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from .regression import FALSE_ALARM, Difference, Verdict

_SHOWN = 20


def to_markdown(verdicts: Sequence[Verdict]) -> str:
    """A sentence, a row a run, and a table of what moved (the first twenty of each run)."""
    differences = [m for v in verdicts for m in v.differences[:_SHOWN]]
    hidden = sum(max(0, len(v.differences) - _SHOWN) for v in verdicts)
    lines = ["# cpbench check", "", sentence(verdicts), "", "| run | compared | how | moved |", "|---|---:|---|---:|"]
    for v in verdicts:
        lines.append(f"| {v.run.method} (seed {v.run.seed}) | {v.compared} | {how(v)} | {len(v.differences)} |")
    if differences:
        lines += ["", "| run | what | stored | now | allowed |", "|---|---|---:|---:|---:|"]
        lines += [f"| {m.run} | {m.what} | {m.stored} | {m.now} | {allowed(m)} |" for m in differences]
    if hidden:
        lines += ["", f"{hidden} more values moved and are not shown."]
    return "\n".join(lines) + "\n"


def to_junit(verdicts: Sequence[Verdict]) -> str:
    """One test case a run; what moved is the text of its failure."""
    suite = ElementTree.Element("testsuite", name="cpbench check", tests=str(len(verdicts)))
    suite.set("failures", str(sum(bool(v.differences) for v in verdicts)))
    for v in verdicts:
        case = ElementTree.SubElement(
            suite, "testcase", classname=v.run.suite, name=f"{v.run.method}, seed {v.run.seed}"
        )
        if v.differences:
            failure = ElementTree.SubElement(case, "failure", message=f"{len(v.differences)} values moved")
            failure.text = "\n".join(f"{m.what}: {m.stored} -> {m.now} (allowed {allowed(m)})" for m in v.differences)
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def sentence(verdicts: Sequence[Verdict]) -> str:
    """The outcome in a sentence or two."""
    bad, inexact = sum(bool(v.differences) for v in verdicts), sum(not v.exact for v in verdicts)
    told = f"{bad} of {len(verdicts)} runs moved." if bad else f"{len(verdicts)} runs are as they were."
    if inexact:
        told += (
            f" {inexact} of them were made on another machine or with other packages than the stored ones, and held to "
            f"the spread between seeds; {FALSE_ALARM:.0%} of checks without any change are meant to fail so."
        )
    return told


def how(verdict: Verdict) -> str:
    """How exact a comparison was."""
    return "equal" if verdict.exact else "within the spread of seeds"


def allowed(differences: Difference) -> str:
    """How far something might have moved."""
    return f"±{differences.allowed:.3g}" if differences.allowed else "equal"
