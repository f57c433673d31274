"""Kills, stops and starves runs and damages their files at random; nothing may be lost, and no result may change.

Run by hand: ``python tests/fault_campaign.py --seed 1 --kills 50 --stops 10``. The same seed gives the same faults;
where they strike depends on the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from conftest import write_suite

HERE = Path(__file__).parent
PATIENCE = 1200  # seconds after which a run counts as hung; it usually takes half a minute
HOLD = """
import sys, time
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""
TIMES = ("train_seconds", "peak_memory_bytes", "seconds_per_picture")


def timeless_records(folder: Path) -> dict[str, dict]:
    """Records by path, without what differs from run to run: times, memory and environment."""
    found = {}
    for path in sorted(folder.glob("*/*/*.json")):
        record = json.loads(path.read_text())
        del record["created"], record["environment"]
        for cost in record["cost"]:
            for name in TIMES:
                del cost[name]
            cost["figures"] = {k: v for k, v in cost["figures"].items() if not k.startswith(("seconds", "peak"))}
        found[str(path.relative_to(folder))] = record
    return found


@dataclass
class Campaign:
    """A store that is damaged repeatedly, and the faults that were found."""

    folder: Path
    rng: random.Random
    suite: Path
    done: Counter = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    harmed: set[str] = field(default_factory=set)

    def start(self, home: str, out: str, seeds: int, jobs: int) -> subprocess.Popen:
        """A run in a process group of its own."""
        audit = self.folder / "audit"
        audit.mkdir(exist_ok=True)
        arguments = ["run", "--methods", "lora,dsc-ewc", "--suite", self.suite, "--seeds", seeds, "--jobs", jobs]
        arguments += ["--lengths", "1,2", "--set", "dsc.iterations=20", "--out", self.folder / out]
        return subprocess.Popen(
            [sys.executable, HERE / "fault_child.py", audit, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=os.environ | {"CPBENCH_HOME": str(self.folder / home), "COLUMNS": "120"},
            # Started in the background of a script, it would inherit an ignored SIGINT.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    def resumed(self) -> int:
        """How many tasks continued from a checkpoint."""
        return len(list((self.folder / "audit").glob("*.resumed")))

    def finished(self, home: str = "home") -> set[str]:
        """Keys of finished units."""
        return {p.parent.name for p in (self.folder / home / "units").glob("*/unit.json") if "." not in p.parent.name}

    def end(self, process: subprocess.Popen, expected: set[int]) -> int:
        """Wait for a run; note a traceback, or an unexpected status."""
        _, err = process.communicate(timeout=PATIENCE)
        if "Traceback" in err:
            self.faults.append(f"a traceback reached the user:\n{err}")
        if process.returncode not in expected:
            self.faults.append(f"status {process.returncode} instead of {sorted(expected)}: {err[-500:]}")
        return process.returncode

    def strike(self, kind: str, seeds: int) -> bool:
        """Start a run, disturb it at a random instant, and check that no unit is lost; True if it ended before."""
        process = self.start("home", "out", seeds, jobs := self.rng.choice((1, 2)))
        before, begin = self.finished(), time.time()
        early = kind == "kill" and self.rng.random() < 0.5
        wait = self.rng.uniform(*((2.0, 9.0) if early else (0.0, 2.0) if kind == "kill" else (0.0, 7.0)))
        while not early and process.poll() is None and not self._begun(process, kind, begin):
            time.sleep(0.02)
        moment = time.monotonic() + wait
        while process.poll() is None and time.monotonic() < moment:
            time.sleep(0.02)
            before |= self.finished()
        if process.poll() is not None:
            return self.end(process, {0}) == 0
        if kind == "kill":
            self._kill(process, jobs)
        else:
            # A terminal sends Ctrl-C to the whole group, and a batch system SIGTERM; 'kill' to one process.
            whom = self.rng.choice((os.kill, os.killpg))
            whom(process.pid, signal.SIGTERM if kind == "term" else signal.SIGINT)
            self.end(process, {130, 0})
        self.done[kind] += 1
        if lost := before - self.finished() - self.harmed:
            self.faults.append(f"{kind}: finished units are lost: {sorted(lost)}")
        return False

    def _begun(self, process: subprocess.Popen, kind: str, since: float) -> bool:
        """Whether a run answers to signals, or, for a kill, whether it computes a unit, however slow the machine is."""
        audit = self.folder / "audit"
        if kind != "kill":
            return (audit / f"{process.pid}.up").exists()
        return any(path.stat().st_mtime >= since for path in audit.glob("*.begun"))

    def _kill(self, process: subprocess.Popen, jobs: int) -> None:
        """SIGKILL to a worker (the run goes on), to the parent alone (its workers must follow), or to all."""
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        whom = self.rng.choice(("worker", "parent", "all")) if jobs > 1 and children else "all"
        if whom == "worker":
            os.kill(int(self.rng.choice(children)), signal.SIGKILL)
            self.done["kill"] += 1  # the one that ends the run follows
            time.sleep(self.rng.uniform(0.5, 3.0))
        if process.poll() is None:
            (os.kill if whom == "parent" else os.killpg)(process.pid, signal.SIGKILL)
        _, err = process.communicate(timeout=PATIENCE)
        if "Traceback" in err:
            self.faults.append(f"a traceback reached the user:\n{err}")

    def harm(self, kind: str) -> None:
        """Damage files on the disk while nothing runs."""
        units = sorted(self.finished() - self.harmed)
        records = sorted((self.folder / "out").glob("*/*/*.json"))
        if kind == "flip" and units:
            key = self.rng.choice(units)
            store = self.folder / "home" / "units"
            files = [f for f in (store / key).rglob("*") if f.is_file()]
            states = [f for f in files if f.suffix == ".safetensors"]
            file = self.rng.choice(states or files)
            content = bytearray(file.read_bytes() or b"x")
            content[self.rng.randrange(len(content))] ^= 1 << self.rng.randrange(8)
            sharing = [k for k in units if any(f.samefile(file) for f in (store / k).rglob(file.name))]
            file.write_bytes(bytes(content))
            self.harmed.update(sharing)
        elif kind == "truncate" and records:
            path = self.rng.choice(records)
            path.write_bytes(path.read_bytes()[: self.rng.randrange(1, path.stat().st_size)])
        elif kind == "stale lock" and units:
            self._die_inside(self.rng.choice(units))
        else:
            return
        self.done[kind] += 1

    def _die_inside(self, key: str) -> None:
        """As if a process were killed inside a unit: its lock was held, its folder is half-done."""
        store = self.folder / "home" / "units"
        holder = subprocess.Popen([sys.executable, "-c", HOLD, store / ".locks" / key], stdout=subprocess.PIPE)
        assert holder.stdout.readline() == b"held\n"
        (store / key).replace(store / f"{key}.partial")
        holder.kill()
        holder.communicate()
        self.harmed.add(key)

    def two_at_once(self, seeds: int) -> None:
        """Two runs of the same plan on one store; both must succeed."""
        both = [self.start("home", "out", seeds, 1) for _ in range(2)]
        for process in both:
            self.end(process, {0})
        self.done["two at once"] += 1

    def full_disk(self) -> None:
        """A home on a disk of 1.5 MB: a sentence, and after more room the undisturbed results."""
        home = self.folder / "small"
        home.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", home], capture_output=True)
        if mounted.returncode:
            if os.environ.get("CI"):
                self.faults.append("disk full: no tmpfs can be mounted; CI must be able to")
            print("disk full: left out, no tmpfs can be mounted here")
            return
        try:
            process = self.start("small", "out-small", 1, 1)
            _, err = process.communicate(timeout=PATIENCE)
            if process.returncode != 1 or "no space left" not in err or "Traceback" in err:
                self.faults.append(f"disk full: status {process.returncode}: {err[-800:]}")
            subprocess.run(["mount", "-o", "remount,size=200m", home], check=True)
            self.end(self.start("small", "out-small", 1, 1), {0})
            self.done["disk full"] += 1
        finally:
            subprocess.run(["umount", home], check=True)


def campaign(folder: Path, seed: int, kills: int, stops: int, show: Callable[[object], None] = print) -> list[str]:
    """Run a campaign, show how often each disturbance happened, and return everything that went wrong."""
    training = {"steps": 60, "batch": 2, "pictures": 2}
    (folder / "suite").mkdir()
    c = Campaign(folder, random.Random(seed), write_suite(folder / "suite", training=training))
    harms, seeds = ["flip", "truncate", "stale lock"], 1
    for _ in range(3 * (kills + stops)):  # on a slow machine, many strikes may be over before a task has begun
        if c.done["kill"] >= kills and c.done["term"] + c.done["ctrl-c"] >= stops and c.resumed():
            break
        kind = "kill" if c.done["kill"] < kills and c.rng.random() < 0.8 else c.rng.choice(("term", "ctrl-c"))
        seeds += c.strike(kind, seeds)
        if c.rng.random() < 0.15:
            c.harm(c.rng.choice(harms))
        if c.faults:
            return c.faults
    else:
        return [f"too few disturbances in {3 * (kills + stops)} strikes: {dict(c.done)}, resumed: {c.resumed()}"]
    if not list((folder / "audit").glob("*.begun")):
        return ["no process noted a unit: fault_child.py no longer wraps what makes units"]
    c.two_at_once(seeds + 1)
    for kind in harms:  # again, now that there are records
        c.harm(kind)
    c.end(c.start("home", "out", seeds + 1, 1), {0})
    c.end(c.start("calm", "calm-out", seeds + 1, 2), {0})
    c.full_disk()
    if timeless_records(folder / "out") != (calm := timeless_records(folder / "calm-out")):
        c.faults.append("the records differ from the undisturbed ones")
    if c.done["disk full"] and any(calm[k] != v for k, v in timeless_records(folder / "out-small").items()):
        c.faults.append("the records after a full disk differ from the undisturbed ones")
    c.faults += [f"a unit was done twice at once: {v.name}" for v in (folder / "audit").glob("*.violation")]
    c.done["resumed inside a task"] = c.resumed()
    required = (*harms, "two at once", "resumed inside a task")
    c.faults += [f"{kind}: never happened" for kind in required if not c.done[kind]]
    show(f"seed {seed}: {dict(c.done)}; {len(calm)} records of {len(c.finished())} units equal the undisturbed ones")
    return c.faults


if __name__ == "__main__":
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("--seed", 0), ("--kills", 50), ("--stops", 10)):
        parser.add_argument(name, type=int, default=default)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        problems = campaign(Path(temporary), asked.seed, asked.kills, asked.stops)
    print("\n".join(problems) or "no fault found")
    sys.exit(bool(problems))
