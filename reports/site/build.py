"""Writes the site: a pure function of the records and of the stored pictures. Same input, same bytes."""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from ...benchmark.hashing import digest
from ...benchmark.records.result import Result
from ...benchmark.wording import counted
from ..analysis.board import Board, FindPictures, Methods, first_run
from ..analysis.entry import Entry
from ..analysis.summaries import summaries
from ..files import slug_of, slugs_of
from ..tables.notes import split
from ..tables.reported import Reported
from ..tables.terms import GLOSSARY, TERMS
from .cells import BoardPage, scales
from .compare import compare_page
from .films import Film, film_of, from_below, takes
from .index import leaderboard
from .method import method_page
from .pairs import pair_film
from .run import run_page


def build(
    boards: Sequence[Board],
    failed: Sequence[str],
    reported: Sequence[Reported],
    methods: Methods,
    pictures: FindPictures,
    read: Callable[[Entry], tuple[Path, Result]],
    out: Path,
) -> Iterator[Path]:
    """Write all pages below ``out``; ``read`` returns the record of an entry and its path."""
    env, places = _environment(), _places(boards)
    shared = {"nav": places, "count": sum(len(p.board.results) for p in places)}
    for folder in ("methods", "runs", "data", "pictures"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    static = files("cpbench.reports.site") / "static"
    for name in ("site.css", "site.js"):
        yield _write(out / name, (static / name).read_text(encoding="utf-8"))
    boards_shown = [leaderboard(place, methods) for place in places]
    index = env.get_template("index.html")
    context = {"boards": boards_shown, "filters": _filters(boards_shown), "split": split(boards), "failed": failed}
    context["meanings"] = dict(item for board in boards_shown for item in board["meanings"])
    yield _write(out / "index.html", index.render(root="", reported=reported, **shared, **context))
    glossary = env.get_template("glossary.html")
    yield _write(out / "glossary.html", glossary.render(root="", groups=GLOSSARY, **shared))
    for place in places:
        yield from _board_pages(place, env, shared, methods, pictures, read, out)


@pass_context
def _term(context: Context, key: str, text: str = "") -> Markup:
    """A word that links to its entry in the glossary and shows its meaning, wherever the page is."""
    return _link(str(context["root"]), key, text)


@cache
def _link(root: str, key: str, text: str) -> Markup:
    link = '<a class="term" href="{}glossary.html#{}" title="{}">{}</a>'
    return Markup(link).format(root, key, TERMS[key].text, text or TERMS[key].name)


def _environment() -> Environment:
    """Templates that escape every value and refuse unknown names; all of them see the glossary as ``terms``."""
    env = Environment(
        loader=PackageLoader("cpbench.reports.site"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.globals |= {"terms": TERMS, "term": _term}
    return env


def _places(boards: Sequence[Board]) -> list[BoardPage]:
    titles = [f"{b.results[0].run.suite}, {counted(b.tasks, 'task')}" for b in boards]
    many = Counter(titles)
    found = []
    for board, title in zip(boards, titles, strict=True):
        key = digest(board.conditions)[:6]
        slugs = slugs_of(board.runs)
        unique = f"{title} ({key})" if many[title] > 1 else title
        found.append(BoardPage(board, f"{slug_of(title)}-{key}", unique, slugs, scales(board.results)))
    return found


def _filters(boards: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """The filters of the first page, each with the values that occur."""
    found: dict[str, set[str]] = defaultdict(set)
    for board in boards:
        found["suite"].add(board["suite"])
        found["backbone"].add(board["backbone"])
        for line in board["lines"]:
            if not line["bound"]:
                found["adapter"].add(line["adapter"])
                found["consolidation"].update(line["consolidation"].split(" "))
    return [(name, sorted(found[name])) for name in ("suite", "backbone", "adapter", "consolidation")]


def _board_pages(
    place: BoardPage,
    env: Environment,
    shared: Mapping[str, Any],
    methods: Methods,
    pictures: FindPictures,
    read: Callable[[Entry], tuple[Path, Result]],
    out: Path,
) -> Iterator[Path]:
    """One page per run, one per method, and the page of comparisons."""
    films, found = dict[str, Film](), list(summaries(place.board))
    twos = dict[str, Film]()
    runs = place.board.runs
    template = env.get_template("run.html")
    for name, entry in ((name, e) for name, own in runs.items() for e in own):
        path, result = read(entry)
        yield Path(shutil.copyfile(path, out / "data" / f"{entry.key}.json"))
        if film := film_of(entry, pictures, out):
            films[entry.key] = film
            yield out / film["file"]
        if both := pair_film(entry, pictures, out):
            twos[entry.key] = both
            yield out / both["file"]
        context = {"film": from_below(film), "twos": from_below(both), "json": f"../data/{entry.key}.json", **shared}
        page = template.render(root="../", **context, **run_page(place, name, entry, result))
        yield _write(out / "runs" / f"{entry.key}.html", page)
    template = env.get_template("method.html")
    for name, own in runs.items():
        first = min(own, key=first_run).key
        shown = {"film": from_below(films.get(first)), "twos": from_below(twos.get(first))}
        context = method_page(place, name, [s for s in found if s.method == name], methods)
        page = template.render(root="../", **shown, **shared, **context)
        yield _write(out / "methods" / f"{place.slug}-{place.methods[name]}.html", page)
    page = env.get_template("compare.html").render(root="", **shared, **compare_page(place, takes(place, films)))
    yield _write(out / f"compare-{place.slug}.html", page)


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path
