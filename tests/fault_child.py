"""Runs ``cpbench``, and notes if two living processes compute the same unit at once. Used by the fault campaign.

Usage: fault_child.py AUDIT_FOLDER ARGUMENTS...
"""

import os
import sys
from contextlib import contextmanager
from pathlib import Path

from cpbench.benchmark.run import checkpoint, signals
from cpbench.benchmark.storage import store

AUDIT = Path(os.environ.setdefault("CPBENCH_AUDIT", sys.argv[1] if len(sys.argv) > 1 else ""))
checkpoint.EVERY, checkpoint.SHARE = 0.1, 1e9  # its tasks are short; which checkpoints they go on from is noted
making, loading = store.Store.making, checkpoint.Checkpoints.load


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state not in "ZX"


@contextmanager
def audited(self, key, inputs, *, wait=True):
    with making(self, key, inputs, wait=wait) as unit:
        if unit is None:
            yield None
            return
        mark = AUDIT / f"{key}.doing"
        try:
            before = int(mark.read_text())
        except (OSError, ValueError):
            before = None
        if before is not None and before != os.getpid() and alive(before):
            (AUDIT / f"{key}.{os.getpid()}.violation").write_text(f"{before} was at work")
        mark.write_text(str(os.getpid()))
        mark.with_suffix(".begun").touch()
        try:
            yield unit
        finally:
            mark.unlink(missing_ok=True)


def noted(self, phase):
    found = loading(self, phase)
    if found is not None:
        (AUDIT / f"{self.folder.stem}.{phase}.{os.getpid()}.resumed").write_text(str(int(found["updates"])))
    return found


checkpoint.Checkpoints.load = noted
store.Store.making = audited  # also in spawned processes: they import this file as their main module

if __name__ == "__main__":
    from cpbench.benchmark.cli.main import main

    answered = signals.answered

    @contextmanager
    def marked_up(answer):
        with answered(answer):
            (AUDIT / f"{os.getpid()}.up").touch()  # before, only the interpreter answers to signals
            yield

    signals.answered = marked_up
    del sys.argv[1]
    main()
