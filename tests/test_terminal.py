"""What is printed is the data: without markup, in any encoding, at any width, whoever reads it or no longer does."""

import ast
import contextlib
import errno
import io
import json
import os
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text
from test_house import SOURCES, TREES

from conftest import outcome_of, status_of
from cpbench.benchmark.cli.command import kinds_of_paths
from cpbench.benchmark.cli.main import app
from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.paths import FILE, FOLDER
from cpbench.benchmark.places import home_read
from cpbench.benchmark.records.result import write_result
from cpbench.benchmark.run.events import Noted, Warned
from cpbench.benchmark.run.progress import LiveView, PlainView, watching
from cpbench.benchmark.streams import PLAIN, encodable, say, streams
from cpbench.benchmark.terminal import LEAST, Cell, Sheet, Terminal, mark, shown_text
from cpbench.benchmark.wording import one_line, printable
from synthetic import record

ENCODINGS = ("utf-8", "ascii", "latin-1", "cp1252", "utf-16", "shift-jis")
hostile = st.sampled_from(["[red]", "[/b]", "[/]", ":smile:", "\x1b[2J", "\u202e", "−…±", "\udcff", "[link=x]", "\\["])
data = st.lists(st.text() | hostile, max_size=6).map("".join)


def stream(encoding):
    return io.TextIOWrapper(io.BytesIO(), encoding, "cpbench", newline="\n")


def written(to):
    to.flush()
    return to.buffer.getvalue().decode(to.encoding)


@given(text=data, encoding=st.sampled_from(ENCODINGS))
def test_what_is_printed_is_the_text_or_its_declared_replacement(text, encoding):
    to = stream(encoding)
    Terminal(file=to).print(text, soft_wrap=True)
    assert written(to) == encodable(printable(text), encoding) + "\n"
    to = stream(encoding)
    Terminal(file=to).print(styled := Text(text, "bold"), soft_wrap=True)
    assert written(to) == encodable(printable(styled.plain), encoding) + "\n"


@given(text=data, encoding=st.sampled_from(ENCODINGS))
def test_a_cell_a_header_and_a_title_of_a_table_are_the_text_in_one_line(text, encoding):
    to, sheet = stream(encoding), Sheet(f"<{text}>", "number", right=["number"], title=f"({text})")
    sheet.add_row(f"'{text}'", Cell(f"{one_line(text)}.", "bold", no_wrap=True))
    Terminal(width=10_000, file=to).print(sheet)
    title, head, row = written(to).splitlines()
    expected = encodable(one_line(text), encoding)
    assert f"({expected})" in title and f"<{expected}>" in head and f"'{expected}'" in row
    assert f" {expected}." in row


@given(text=data)
def test_no_control_character_reaches_a_terminal_and_no_letter_is_changed(text):
    shown = one_line(text)
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")]
    assert not set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\ufeff").intersection(shown)
    if text.isprintable():
        assert shown == text
    assert printable("a\nb") == "a\nb" and one_line("a\nb") == "a\\nb"


@given(text=st.text(), encoding=st.sampled_from(ENCODINGS))
def test_any_text_can_be_encoded_and_replacements_are_ascii(text, encoding):
    shown = encodable(text, encoding)
    assert shown.encode(encoding).decode(encoding) == shown
    assert all(value.isascii() for value in PLAIN.values())
    try:
        plain = text.encode(encoding).decode(encoding) == text
    except UnicodeEncodeError:
        plain = False
    assert not plain or shown == text


@given(before=data, inside=data, after=data, encoding=st.sampled_from(ENCODINGS))
def test_a_style_stays_on_its_words_whatever_is_replaced_in_them(before, inside, after, encoding):
    whole = Text(before).append(inside, "bold").append(after)
    shown = shown_text(whole, encoding)
    styled = "".join(shown.plain[s.start : s.end] for s in shown.spans if s.style == "bold")
    assert styled == encodable(printable(Text(inside).plain), encoding)


@given(text=data)
def test_events_of_a_run_are_one_line_each(text):
    to = stream("utf-8")
    with contextlib.redirect_stderr(stream("utf-8")) as err, watching(Terminal(file=to)) as view:
        view(Warned(text))
        view(Noted(text))
    assert written(to) == encodable(one_line(text), "utf-8") + "\n"
    assert written(err) == f"cpbench: warning: {encodable(one_line(text), 'utf-8')}\n"


def test_errors_and_warnings_are_one_line_without_controls(capsys):
    status, _, err = outcome_of(capsys, "list", "x\x1b[2J\nok: [/b]")
    assert status == 2 and err.count("\n") == 1 and "\x1b" not in err and "[/b]" in err and "\\n" in err


@pytest.mark.parametrize("arguments", [["--\x1b[2J"], ["run"], ["nope[/b]"], ["run", "--jobs", "x"], ["compare", "a"]])
def test_a_wrong_use_is_one_line_that_names_the_help(arguments, capsys):
    status, out, err = outcome_of(capsys, *arguments)
    assert (status, out) == (2, "") and err.count("\n") == 1 and "--help" in err and "\x1b" not in err


def test_without_a_command_there_is_the_help(capsys):
    status, out, err = outcome_of(capsys)
    assert (status, out) == (2, "") and "Commands:" in err


COMMANDS = typer.main.get_command(app).commands
PATHS = [(name, p) for name, c in COMMANDS.items() for p in c.params if p.name in kinds_of_paths(c.callback)]
assert len(PATHS) >= 15


EITHER = {("validate", "paths"), ("score-adapters", "adapters"), ("data", "source")}
"""Paths that may be of a folder and of a file."""


def given_with(name, param, value):
    """A command with a value for a path, and something for whatever else it must have."""
    others = [p for p in COMMANDS[name].params if p.required and p is not param]
    rest = [part for p in others for part in ([p.opts[0], "lora"] if p.opts[0].startswith("-") else ["lora"])]
    return [name, *rest, *([param.opts[0], value] if param.opts[0].startswith("-") else [value])]


@pytest.mark.parametrize(("name", "param"), PATHS, ids=[f"{name} {param.name}" for name, param in PATHS])
def test_every_path_of_every_command_is_refused_in_one_sentence_where_it_cannot_be(
    name, param, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("folder").mkdir()
    Path("loop").symlink_to("loop")
    kind = kinds_of_paths(COMMANDS[name].callback)[param.name]
    assert kind in (FOLDER, FILE) or (name, param.name) in EITHER, "mark it as FOLDER or FILE"
    wrong = {"": "empty", "n" * 300: "too long", "loop": "circle", "file/x": "is a file", "a\0b": "NUL"}
    wrong |= {FOLDER: {"file": "is a file"}, FILE: {"folder": "is a folder"}}.get(kind, {})
    wrong["~nobody17/x"] = "home folder"
    for value, word in wrong.items():
        status, out, err = outcome_of(capsys, *given_with(name, param, value))
        assert (status, out) == (2, "") and err.count("\n") == 1 and word in err, (value, err)
        assert value in ("", "a\0b") or param.opts[0] in err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder", "loop"]


def test_a_leading_tilde_is_the_home_folder_between_quotation_marks_too(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CPBENCH_HOME", "~/x")
    assert home_read() == tmp_path / "x"
    monkeypatch.setenv("CPBENCH_HOME", "~nobody17/x")
    with pytest.raises(BadInput, match="CPBENCH_HOME ~nobody17"):
        home_read()
    (tmp_path / "file").touch()
    monkeypatch.setenv("CPBENCH_HOME", "~/file")
    assert status_of("gc", "--dry-run") == 2 and "CPBENCH_HOME" in capsys.readouterr().err
    monkeypatch.delenv("CPBENCH_HOME")
    _, _, err = outcome_of(capsys, "list", "runs", "--results", "~/none")
    assert str(tmp_path / "none") in err
    monkeypatch.chdir(tmp_path)
    (tmp_path / "~backup").mkdir()
    _, _, err = outcome_of(capsys, "list", "runs", "--results", "~backup/none")
    assert "~backup/none holds no records" in err and str(tmp_path) not in err, "a folder of that name is meant"


class Broken(io.RawIOBase):
    """A file that cannot be written."""

    def __init__(self, number):
        self.number = number

    def writable(self):
        return True

    def write(self, data):
        raise OSError(self.number, os.strerror(self.number))


@pytest.mark.parametrize(("number", "status"), [(errno.EPIPE, 0), (errno.ENOSPC, 1), (errno.EBADF, 1), (errno.EIO, 1)])
@pytest.mark.parametrize("arguments", [("list", "metrics"), ("list", "suites", "--json"), ("--version",)], ids=" ".join)
def test_output_that_cannot_be_written_is_a_sentence_and_a_reader_that_left_is_none(
    arguments, number, status, capsys, monkeypatch
):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(Broken(number), "ascii", write_through=True))
    assert status_of(*arguments) == status
    err = capsys.readouterr().err
    assert err.count("\n") == status and (os.strerror(number) in err) == bool(status)
    monkeypatch.undo()


def test_streams_are_what_they_were_afterwards_and_closed_ones_drop_what_is_said(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", kept := stream("ascii"))
    with streams() as fault:
        say("lost")
        say("− ü \udcff", error=True)
        assert fault() is None
    assert sys.stdout is None and sys.stderr is kept and written(kept) == "- \\xfc \\udcff\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
@pytest.mark.parametrize("what", ["methods", "options", "suites", "metrics"])
def test_lists_are_whole_where_the_terminal_is_not_utf_8(what, encoding, monkeypatch):
    shown = {}
    for name in ("utf-8", encoding):
        monkeypatch.setattr(sys, "stdout", to := io.TextIOWrapper(io.BytesIO(), name))
        assert status_of("list", what) == 0
        shown[name] = written(to).split()
    if encoding == "ascii":
        assert "".join(shown[encoding]).isascii()
    assert len(shown[encoding]) >= len(shown["utf-8"]) > 10


@pytest.mark.parametrize("columns", ["0", "1", "20", "40", "80", "400", "-3", "²", "9" * 5000, "x", ""])
def test_tables_keep_their_data_at_any_width_or_show_that_some_is_left_out(columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    status, out, _ = outcome_of(capsys, "list", "profiles")
    assert status == 0
    names = [row["profile"] for row in json.loads(outcome_of(capsys, "list", "profiles", "--json")[1])]
    assert all(name in out or "…" in out for name in names)


@pytest.mark.parametrize(
    ("environment", "live"),
    [({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), ({"COLUMNS": "20"}, False), ({"NO_COLOR": "1"}, True)],
)
def test_bars_move_only_on_terminals_that_can_show_them(environment, live, monkeypatch):
    for name, value in ({"TERM": "xterm", "COLUMNS": "80"} | environment).items():
        monkeypatch.setenv(name, value)
    console = Terminal(file=stream("utf-8"), force_terminal=True)
    assert console.width >= LEAST
    with watching(console) as view:
        assert type(view) is (LiveView if live else PlainView)


def test_forced_colours_in_a_log_are_colours_but_no_moving_bars(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    console = Terminal(width=160, file=(to := stream("utf-8")))
    with watching(console) as view:
        assert type(view) is PlainView and console.width == 160
    console.print(mark(True), "[bold]12[/bold]")
    assert "\x1b[32mok\x1b[0m" in written(to) and "[bold]12[/bold]" in written(to)


RICH = {"Console", "Table", "TextColumn", "Status", "print"}
ELSE = {"echo", "secho", "print", "print_json", "from_markup"}


def called(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node, node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def imported_from_rich(tree):
    nodes = (n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and (n.module or "").startswith("rich"))
    return {alias.name for node in nodes for alias in node.names}


def test_nobody_else_makes_a_console_or_writes_markup():
    rooms = {"terminal.py", "streams.py"}
    for file in (f for f in SOURCES if f.parent.name != "benchmark" or f.name not in rooms):
        tree = TREES[file]
        rich = imported_from_rich(tree)
        for node, name in called(tree):
            of_console = name == "print" and isinstance(node.func, ast.Attribute)
            assert of_console or name not in (RICH & rich) | ELSE, f"{file}:{node.lineno}: use benchmark.terminal"
            assert not [k for k in node.keywords if k.arg in ("markup", "emoji", "highlight")], f"{file}:{node.lineno}"
            assert name != "Progress" or "console" in {k.arg for k in node.keywords}, f"{file}:{node.lineno}"
        if rich:
            texts = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
            assert not [t for t in texts if re.search(r"\[/?(red|green|yellow|dim|bold)?\]", t)], file


def test_a_table_of_rich_itself_cannot_read_markup_either():
    to, table = stream("utf-8"), Table("[red]head[/red]", title="[b]t[/b]")
    table.add_row("[/b] :smile:")
    Terminal(width=100, file=to).print(table)
    assert "[red]head[/red]" in written(to) and "[/b] :smile:" in written(to) and "[b]t[/b]" in written(to)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("list metrics | head -1", 0),
        ("list metrics >/dev/full", 1),
        ("list metrics >&- 2>&- <&-", 0),
        ("list nope 2>&-", 2),
        ("run --methods $'\\xff' --suite nope[/b]", 2),
    ],
)
def test_a_process_ends_in_order_however_its_streams_are(line, status, tmp_path):
    command = f"set -o pipefail; {sys.executable} -m cpbench.benchmark.cli.main {line}"
    environment = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(["bash", "-c", command], capture_output=True, env=environment, cwd=tmp_path)
    assert done.returncode == status and (done.stdout + done.stderr).isascii()
    assert b"Traceback" not in done.stderr and b"ignored" not in done.stderr and done.stderr.count(b"\n") <= 1


HOSTILE = "[b]x[red] :smile: \x1b[2J\n\u202e− "


@pytest.mark.parametrize(
    "arguments",
    [
        ("list", "runs"),
        ("show", "ID"),
        ("show", "ID", "--json"),
        ("diff", "ID", "OTHER"),
        ("compare", "./runs", "./runs"),
        ("validate", "runs"),
        ("report", "--only", "tables"),
        ("score",),
        ("gc", "--unused", "runs", "--dry-run"),
    ],
    ids=" ".join,
)
def test_a_record_with_hostile_names_is_shown_as_it_is_without_its_controls(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdout", to := io.TextIOWrapper(io.BytesIO(), "ascii"))
    names = {"device": HOSTILE, "suite": HOSTILE, "backbone": HOSTILE, "order": [HOSTILE, "b", "c"]}
    options = {"learner": {HOSTILE: HOSTILE}}
    ids = {}
    for seed, name in ((0, "ID"), (1, "OTHER")):
        ids[name] = record(HOSTILE, options=options, seed=seed, **names)
        write_result(Path("runs"), ids[name])
    assert status_of(*(ids[a].run.id if a in ids else a for a in arguments)) in (0, 1, 2)
    printed = written(to) + capsys.readouterr().err
    assert "\x1b" not in printed and "\u202e" not in printed and "Traceback" not in printed and written(to).isascii()
    assert "[b]x[red] :smile:" in re.sub(r"\s+", " ", printed) or arguments[0] not in ("list", "show", "diff")
