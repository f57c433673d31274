"""Makes the pages of the documentation that follow from the code: one per method, and the reference of the API."""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from mkdocs.structure.files import File

import cpbench
from cpbench.benchmark.records.reading import read_records, unheard
from cpbench.benchmark.storage.baseline import baseline
from cpbench.benchmark.verbs.listing import listed
from cpbench.methods.catalogue import CATALOGUE
from cpbench.methods.row import MethodRow
from cpbench.reports.analysis.entry import entry_of
from cpbench.reports.samples import sheet_of

PARTS = Path(__file__).parent / "parts"
SUITE = "toybox-6"
_ROLE = re.compile(r":(?:func|class|meth|data|attr|mod|exc):<code>[~.]*([^<]*)</code>")
_PLACE = tempfile.TemporaryDirectory()
"""Where the package has its own name, whatever its folder is called."""


def on_config(config: Any) -> Any:
    """Show mkdocstrings the package under its own name."""
    if not (link := Path(_PLACE.name, "cpbench")).exists():
        link.symlink_to(Path(cpbench.__file__).parent)
    config["plugins"]["mkdocstrings"].config["handlers"]["python"]["paths"] = [_PLACE.name]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are made here."""
    costs, options, sheets = _costs(), listed("options"), dict(_sheets())
    made: dict[str, str | bytes] = {"methods/index.md": _index(), "api.md": _api()}
    for row in CATALOGUE.values():
        made[f"methods/{row.name}.md"] = _method(row, options, costs, row.name in sheets)
    made |= {f"methods/{name}.png": picture for name, picture in sheets.items()}
    for name, content in made.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_content(html: str, page: Any, config: Any, files: Any) -> str:
    """Write the names that docstrings refer to without the marks of Sphinx."""
    return _ROLE.sub(r"<code>\1</code>", html)


def _index() -> str:
    lines = ["# Methods", "", "A method consists of one adapter and any number of consolidations.", ""]
    lines += ["| method | parts | what it does |", "|---|---|---|"]
    for row in CATALOGUE.values():
        parts = " + ".join((row.adapter, *row.consolidations)) or "–"
        lines.append(f"| [`{row.name}`]({row.name}.md) | {parts} | {row.sentence} |")
    more = "Upper bounds see what other methods may not, and have no rank."
    return "\n".join([*lines, "", f"{more} [Extending cpbench](../extending.md) says how to add a method.", ""])


def _method(row: MethodRow, options: Sequence[Mapping[str, Any]], costs: pd.DataFrame, picture: bool) -> str:
    parts = [part for part in (row.adapter, *row.consolidations) if part]
    lines = [f"# {row.name}", "", row.sentence, ""]
    if row.bound:
        lines += ["It is an upper bound: it gets information that other methods do not get, and has no rank.", ""]
    lines += [f"Paper: [arXiv {row.paper.rpartition('/')[2]}]({row.paper}). " if row.paper else "", ""]
    lines += ["```", f"cpbench run --methods {row.name} --suite toybox-2", "```", ""]
    if picture:
        lines += [f"![Pictures of each concept after each task]({row.name}.png)", ""]
        lines += ["*Each row is a concept, with real pictures first; the frame marks the task that taught it.*", ""]
    lines += ["## How it works", ""] if parts else []
    for part in parts:
        lines += [(PARTS / f"{part}.md").read_text(encoding="utf-8"), ""]
    return "\n".join([*lines, *_options(row.name, options), *_cost(row.name, costs)])


def _options(name: str, options: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    own = [o for o in options if name in o["methods"].split()]
    if not own:
        return
    yield from ("## Options", "", f"The values are those that `{name}` runs with.", "")
    yield from ("| option | value | what it does | allowed |", "|---|---|---|---|")
    for o in own:
        cells = (str(o[key]).replace("|", "\\|") for key in ("value", "what it does", "allowed"))
        yield f"| `{o['option']}` | {' | '.join(cells)} |"
    yield ""


def _cost(name: str, costs: pd.DataFrame) -> Iterator[str]:
    if name not in costs.index:
        return
    own = costs.loc[name]
    yield from (
        "## Cost",
        "",
        f"Means of the shipped runs on `{SUITE}`, on the CPU:",
        "",
        "| what | mean |",
        "|---|---:|",
    )
    yield f"| trained numbers per task | {own['trainable_parameters']:,.0f} |"
    yield f"| bytes kept after the last task | {own['stored_bytes']:,.0f} |"
    yield f"| seconds of training per task | {own['train_seconds']:.1f} |"
    yield f"| seconds per picture | {own['seconds_per_picture']:.2f} |"
    yield ""


def _costs() -> pd.DataFrame:
    """The mean cost of each method in the shipped runs."""
    cost = cpbench.load_results("shipped").cost.query(f"suite == '{SUITE}'")
    last = cost[cost["task"] == cost["tasks"]].groupby("method", observed=True)["stored_bytes"].mean()
    shown = ["trainable_parameters", "train_seconds", "seconds_per_picture"]
    return cost.groupby("method", observed=True)[shown].mean().assign(stored_bytes=last)


def _sheets() -> Iterator[tuple[str, bytes]]:
    """The sample sheet of one shipped run of each method that has pictures."""
    seen = set[str]()
    for path, result in read_records(baseline(), on_fault=unheard):
        run, strip = result.run, path.with_suffix(".webp")
        if run.suite != SUITE or run.method in seen or run.seed or not strip.exists():
            continue
        sheet = sheet_of(entry_of(result, strip, shipped=True), lambda _: [])
        if sheet is not None:
            seen.add(run.method)
            out = io.BytesIO()
            sheet.save(out, "PNG", optimize=True)
            yield run.method, out.getvalue()


def _api() -> str:
    lines = ["# API reference", "", "The public names of the package, from their docstrings.", ""]
    for name, place in cpbench._PUBLIC.items():
        lines += [f"::: cpbench.{place}.{name}", ""]
    return "\n".join(lines)
