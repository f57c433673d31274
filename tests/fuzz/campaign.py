"""Fuzz campaigns: examples by number, each reproducible by itself.

    PYTHONPATH=DIR python tests/fuzz/campaign.py specs --count 8000        # DIR/cpbench is the tree; JSON on stdout
    PYTHONPATH=DIR python tests/fuzz/campaign.py specs --start 1234 --count 1 --keep /tmp/seen   # one, with its files

Kinds: specs, records, commands, pictures. Examples run one after another in a forked child with a limit of memory; if
it dies, its example is a fault, and another child goes on after it.
"""

import argparse
import collections
import faulthandler
import functools
import json
import os
import random
import re
import shutil
import sys
import tempfile
import time
import traceback
from importlib import import_module
from pathlib import Path

import typer

if __name__ == "__main__":
    sys.path.insert(1, str(Path(__file__).parent.parent))

from fuzz.sandbox import CPU_SECONDS, Sandbox, limit_memory, one_core

KINDS = ("specs", "records", "commands", "pictures")


def run(kind, start, count, keep=None):
    """Run examples; a summary: numbers of outcomes, and faults by signature with the number of the first example."""
    root = Path(keep or tempfile.mkdtemp(prefix="cpbench-fuzz-")).resolve()
    sandbox, begin = Sandbox(root / "box"), time.monotonic()
    os.environ |= sandbox.environment
    tempfile.tempdir = None
    os.chdir(sandbox.cwd)
    typer.main.get_command = functools.cache(typer.main.get_command)  # the same for every example, and slow to make
    one_core()
    module = import_module(f"fuzz.{kind}")
    module.prepare(sandbox)
    log, at = root / "log.jsonl", start
    log.touch()
    while at < start + count:
        at = _until_it_dies(module, kind, range(at, start + count), sandbox, log, verbose=keep is not None)
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    faults = collections.defaultdict(list)
    for row in rows:
        if row["fault"]:
            faults[signature(row["fault"])].append(row)
    summary = {
        "kind": kind,
        "examples": len(rows),
        "seconds": round(time.monotonic() - begin, 1),
        "slowest": max(((row["seconds"], row["index"]) for row in rows), default=None),
        "outcomes": collections.Counter(row["label"] for row in rows),
        "faults": [
            {"times": len(found), "first": [row["index"] for row in found[:3]], "fault": found[0]["fault"]}
            for found in sorted(faults.values(), key=len, reverse=True)
        ],
    }
    if keep is None:
        shutil.rmtree(root, ignore_errors=True)
    return summary


def signature(fault):
    """What faults of one cause have in common: the exception and where it arose, or the sentence without its data."""
    frames = re.findall(r'File "[^"]*/(\w+\.py)", line (\d+)', fault)
    first = re.sub(r"'[^']*'|\"[^\"]*\"|\S*/\S*|\d+", "#", fault.splitlines()[0])[:60]
    return f"{first} {frames[-1] if frames else ''}"


def _until_it_dies(module, kind, indices, sandbox, log, *, verbose):
    """Run examples in a child; the number of the next example after those that it came to."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        try:
            limit_memory()
            _loop(module, kind, indices, sandbox, log, write, verbose)
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
            os._exit(70)
        os._exit(0)
    os.close(write)
    last = b""
    while block := os.read(read, 65536):
        last = (last + block)[-16:]
    os.close(read)
    _, ended = os.waitpid(child, 0)
    if ended == 0:
        return indices.stop
    index = int.from_bytes(last[-8:], "big") if len(last) >= 8 else indices.start
    how = f"signal {os.WTERMSIG(ended)}" if os.WIFSIGNALED(ended) else f"exit {os.WEXITSTATUS(ended)}"
    _note(log, index, "died", f"the process died: {how}", 0.0)
    return index + 1


def _loop(module, kind, indices, sandbox, log, write, verbose):
    for index in indices:
        os.write(write, index.to_bytes(8, "big"))
        faulthandler.dump_traceback_later(30 * CPU_SECONDS, exit=True)
        rng, begin = random.Random(f"{kind} {index}"), time.perf_counter()
        found = module.example(rng, sandbox, index)
        faulthandler.cancel_dump_traceback_later()
        _note(log, index, *found[:2], time.perf_counter() - begin)
        if verbose:
            sys.__stderr__.write(f"{found[2]}\n" if len(found) > 2 else "")


def _note(log, index, label, fault, seconds):
    row = {"index": index, "label": label, "fault": fault, "seconds": round(seconds, 2)}
    with log.open("a") as file:
        file.write(json.dumps(row) + "\n")


def main():
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--keep")
    asked = parser.parse_args()
    json.dump(run(asked.kind, asked.start, asked.count, asked.keep), sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
