"""Members of the ten kinds of inputs: what is done, and whether it must be refused or come out right.

    PYTHONPATH=DIR python tests/fuzz/members.py [--slow] [NAME ...]        # DIR/cpbench is the tree; JSON on stdout

Each member is done in a forked process with a sandbox, a user and streams of its own.
"""

import argparse
import io
import json
import os
import pwd
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(1, str(Path(__file__).parent.parent))

from fuzz.sandbox import Outcome, Sandbox, fault_of, limit_memory, one_core

SECONDS = 60  # per member, whatever else the machine does


@dataclass(frozen=True)
class Member:
    """One input. ``act`` gets the sandbox; ``check`` gets sandbox and outcome, and returns what is wrong."""

    kind: int
    name: str
    act: Callable
    check: Callable
    slow: bool = False
    user: str = ""
    streams: tuple = ("utf-8", "", "")  # encoding, and other files in the place of stdout and stderr


def refused(pattern):
    """A check: one sentence with this pattern, status 2, and nothing was computed or recorded."""

    def check(box, outcome):
        if outcome.status == 0 and not outcome.raised:
            return "accepted"
        if fault := fault_of(outcome, (2,)):
            return fault
        if not re.search(pattern, outcome.err, re.IGNORECASE | re.DOTALL):
            return f"the sentence lacks /{pattern}/: {outcome.err[:300]}"
        made = [*box.store.glob("units/*/unit.json"), *box.allowed.glob("out/*/*/*.json")]
        return f"work was done before: {made[:2]}" if made else None

    return check


def right(test=None):
    """A check: status 0, and the test, if there is one, returns nothing that is wrong."""

    def check(box, outcome):
        if fault := fault_of(outcome, (0,)):
            return fault
        return test(box, outcome) if test else None

    return check


def either(pattern, test=None):
    """A check: refused with this pattern, or done right with a warning or a line that has it."""

    def check(box, outcome):
        if outcome.status == 2:
            return refused(pattern)(box, outcome)
        said = re.search(pattern, outcome.err + outcome.out, re.IGNORECASE | re.DOTALL)
        return right(test)(box, outcome) or (None if said else "accepted without a word")

    return check


def command(*words):
    """The outcome of a command in this process."""
    from cpbench.benchmark.cli.main import main

    status, raised = 0, ""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    starts = [os.fstat(fd).st_size for fd in (1, 2)]
    try:
        main([str(word) for word in words])
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        raised = traceback.format_exc()[-1500:]
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except OSError as error:
        raised = raised or f"Exception ignored at the end: {error!r}"
    out, err = (_since(fd, start) for fd, start in zip((1, 2), starts, strict=True))
    return Outcome(status, out, err, raised.strip().rpartition("\n")[2] + "\n" + raised if raised else "")


def _since(fd, start):
    try:
        path = Path(f"/proc/self/fd/{fd}").readlink()
        return path.read_bytes()[start:].decode("utf-8", "replace") if path.is_file() else ""
    except OSError:
        return ""


def members():
    """The whole table."""
    from fuzz import members_files, members_machine, members_numbers, members_runs, members_specs

    modules = members_specs, members_numbers, members_files, members_runs, members_machine
    return [member for module in modules for member in module.MEMBERS]


def done(member, root, template):
    """Do one member in a child; what is wrong with it, or None, and a short word on what happened."""
    child = os.fork()
    report = root / "report.json"
    if child == 0:
        os.setsid()
        try:
            report.write_text(json.dumps(_in_child(member, root, template)))
        except BaseException:
            os.write(2, traceback.format_exc().encode())
            report.write_text(json.dumps(["the runner failed", traceback.format_exc()[-1500:]]))
        os._exit(0)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if os.waitpid(child, os.WNOHANG)[0]:
            found = json.loads(report.read_text()) if report.exists() else ["WRONG", "the process died"]
            return tuple(found)
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "WRONG", f"not done after {SECONDS} s"


def _in_child(member, root, template):
    os.chmod(root, 0o777)  # noqa: PTH101
    box = Sandbox(root / "box")
    shutil.copytree(template, box.store, dirs_exist_ok=True)
    os.environ |= box.environment
    tempfile.tempdir = None
    os.chdir(box.cwd)
    report = os.open(root, os.O_RDONLY)  # keeps the folder reachable
    encoding, *others = member.streams
    for fd, (name, other) in enumerate(zip(("out", "err"), others, strict=True), 1):
        path = other or str(root / name)
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666), fd)
    os.environ["PYTHONIOENCODING"] = encoding
    sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), encoding, "strict", line_buffering=True)
    sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), encoding, "backslashreplace", line_buffering=True)
    if member.user:
        _become(member.user, box)
    limit_memory()
    before = box.state()
    outcome = member.act(box)
    fault = member.check(box, outcome)
    if not fault and (changed := [p for p in box.changes(before) if not p.startswith(str(box.input))]):
        fault = f"changed outside of its folders: {changed[:3]}"
    os.close(report)
    word = "refused" if outcome.status == 2 else f"status {outcome.status}" if outcome.status else "right"
    return (word, None) if fault is None else ("WRONG", str(fault)[:1500])


def _become(user, box):
    """Another user, who owns the sandbox."""
    found = pwd.getpwnam(user)
    for path in (box.root, *box.root.rglob("*")):
        os.chown(path, found.pw_uid, found.pw_gid)
    os.setgroups([])
    os.setgid(found.pw_gid)
    os.setuid(found.pw_uid)


def warm(template):
    """Load what every command loads, so that each child has it, and fill the store that each child begins with."""

    import torch

    import cpbench.benchmark.pretrain.recipe
    import cpbench.benchmark.verbs.tune  # noqa: F401

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        box, saved = Sandbox(Path(folder) / "box"), dict(os.environ)
        os.environ |= box.environment
        from fuzz.members_specs import write

        where = os.getcwd()  # noqa: PTH109
        os.chdir(box.cwd)
        null = os.open(os.devnull, os.O_WRONLY)
        kept = [os.dup(1), os.dup(2)]
        os.dup2(null, 1), os.dup2(null, 2)
        command("run", "--methods", "base,lora", "--suite", write(box), "--dry-run", "--out", box.allowed / "out")
        command("report", "--only", "tables", "--results", "shipped", "--out", box.allowed / "report")
        command("list", "options")
        os.dup2(kept[0], 1), os.dup2(kept[1], 2)
        os.chdir(where)
        os.environ.clear()
        os.environ |= saved
        shutil.copytree(box.store, template, dirs_exist_ok=True, ignore=shutil.ignore_patterns("units"))


def main():
    """Do members, and print what came of each as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--slow", action="store_true", help="also members that take more than a second")
    parser.add_argument("names", nargs="*")
    asked = parser.parse_args()
    chosen = [m for m in members() if (m.name in asked.names if asked.names else asked.slow or not m.slow)]
    template, rows = Path(tempfile.mkdtemp(prefix="cpbench-store-")), []
    one_core()
    warm(template)
    for member in chosen:
        if member.user and os.getuid() != 0:
            continue
        root, begin = Path(tempfile.mkdtemp(prefix="cpbench-member-")), time.monotonic()
        word, fault = done(member, root, template)
        seconds = round(time.monotonic() - begin, 1)
        rows.append({"kind": member.kind, "name": member.name, "word": word, "fault": fault, "seconds": seconds})
        shutil.rmtree(root, ignore_errors=True)
    shutil.rmtree(template)
    json.dump(rows, sys.stdout, indent=1)


if __name__ == "__main__":
    sys.modules["fuzz.members"] = sys.modules["__main__"]
    main()
