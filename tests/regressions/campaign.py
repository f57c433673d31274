"""Plants regressions in a copy of the tree, counts how many ``cpbench check --fast`` finds, and how often it errs.

Run by hand (hours): ``python tests/regressions/campaign.py --clean 20 --out found.jsonl --python OTHER``.
Each check has other kernels or another number of threads than the one before. What is in the file of outcomes is not
done again. ``--restrict`` computes only the fingerprint that should find a regression, and is for work on one.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from planted import PLANTED, Regression

ROOT = Path(__file__).parents[2]
LEFT_OUT = ("__pycache__", ".*", "build", "tests", "docs", "runs", "*.webp", "*.egg-info", "dist")
PATIENCE = 3600  # seconds after which a check counts as hung
KERNELS: tuple[dict[str, str], ...] = (
    {"ATEN_CPU_CAPABILITY": "default"},
    {"ATEN_CPU_CAPABILITY": "avx2"},
    {"OPENBLAS_CORETYPE": "Haswell", "MKL_CBWR": "COMPATIBLE"},
    {"OPENBLAS_CORETYPE": "Nehalem", "ATEN_CPU_CAPABILITY": "avx2"},
    {"MKL_ENABLE_INSTRUCTIONS": "SSE4_2", "OPENBLAS_CORETYPE": "Zen"},
    {"ONEDNN_MAX_CPU_ISA": "SSE41", "OPENBLAS_CORETYPE": "Prescott", "MKL_CBWR": "AVX2"},
    {"ATEN_CPU_CAPABILITY": "default", "OPENBLAS_CORETYPE": "Sandybridge"},
)
"""Kernels of torch (ATen, MKL, oneDNN) and of numpy (OpenBLAS)."""
VARIED = {name for kernels in KERNELS for name in kernels}
CHILD = """
import json, sys
from functools import wraps
from pathlib import Path
from cpbench.benchmark.run import environment
from cpbench.benchmark.verbs import fingerprints as verb
from cpbench.benchmark.cli.main import main
from cpbench.benchmark.fingerprints import workers

file, threads, only = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
whole, computed, several = verb.fingerprints, verb.made_by, environment.set_threads

@wraps(whole)
def heard(*given, **named):
    found = whole(*given, **named)
    file.write_text(json.dumps([
        [c.name, c.largest, [[d.quantity, d.relative if d.relative < 1e300 else None] for d in c.differences]]
        for c in found
    ]))
    return found

def some(items, jobs):
    return computed([item for item in items if item[0] in only], jobs)

verb.fingerprints = heard
if only:
    verb.made_by = some
several(threads)  # of this process: those that it starts have one thread each
main(["check", "--fast", "--jobs", "1" if threads > 1 else "2", "--quiet"])
"""
"""The command itself, with its numbers written to a file besides."""


@dataclass(frozen=True)
class Outcome:
    """One check: what was planted ("" for nothing), where it ran, its status and seconds, and the differences.

    ``first``: the first quantity that differs; ``differing``: how many do; ``largest``: the largest relative difference
    of those that are numbers, or, of a clean run, of all. ``where``: the fingerprint that has it.
    """

    planted: str
    torch: str
    settings: str
    status: int
    seconds: float
    first: str = ""
    differing: int = 0
    largest: float = 0.0
    where: str = ""
    error: str = ""

    @property
    def right(self) -> bool:
        """Whether the check found what was planted, and nothing where nothing was."""
        return self.status == (3 if self.planted else 0)


@dataclass(frozen=True)
class Place:
    """A Python, its version of torch, kernels, and the number of threads."""

    python: str
    torch: str
    kernels: dict[str, str]
    threads: int

    def __str__(self) -> str:
        """As a shell takes it."""
        return " ".join([*(f"{name}={value}" for name, value in self.kernels.items()), f"threads={self.threads}"])


class Copy:
    """A copy of the tree that can be changed, in a folder from which Python imports it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder, folder / "cpbench"
        shutil.copytree(ROOT, self.root, ignore=shutil.ignore_patterns(*LEFT_OUT))

    def check(self, place: Place, planted: Regression | None, only: Sequence[str] = ()) -> Outcome:
        """Run the check on the copy with a regression in it, which is taken out again."""
        before = planted.plant(self.root) if planted else ""
        try:
            return self._check(place, planted.name if planted else "", only)
        finally:
            if planted:
                (self.root / planted.file).write_text(before, encoding="utf-8")

    def _check(self, place: Place, planted: str, only: Sequence[str]) -> Outcome:
        found, begin = self.folder / "found.json", time.monotonic()
        found.unlink(missing_ok=True)
        home = tempfile.mkdtemp(dir=self.folder)
        own = {"PYTHONPATH": str(self.folder), "CPBENCH_HOME": home, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [place.python, "-W", "ignore", "-c", CHILD, str(found), str(place.threads), *only],
            cwd=self.folder,
            env={k: v for k, v in os.environ.items() if k not in VARIED} | place.kernels | own,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        shutil.rmtree(home)
        ran = Outcome(planted, place.torch, str(place), done.returncode, round(time.monotonic() - begin, 1))
        numbers = _numbers(json.loads(found.read_text())) if found.exists() else {"error": done.stderr[-1500:]}
        return Outcome(**asdict(ran) | numbers)


def _numbers(found: list) -> dict:
    """What an outcome keeps of the comparisons of all fingerprints."""
    differing = [(name, what, far) for name, _, differences in found for what, far in differences]
    numbers = [(far, name) for name, _, far in differing if far is not None]
    largest, where = max(numbers or [(within, name) for name, within, _ in found])
    first = f"{differing[0][0]}: {differing[0][1]}" if differing else ""
    if differing and not numbers:
        largest, where = 0.0, differing[0][0]
    return {"first": first, "differing": len(differing), "largest": largest, "where": where}


def places(pythons: Sequence[str], threads: Sequence[int]) -> Iterator[Place]:
    """All combinations of a Python, kernels and threads, again and again; neighbours differ in Python or kernels."""
    versions = {p: _torch(p) for p in pythons}
    for k in itertools.count():
        python = pythons[k % len(pythons)]
        kernels = KERNELS[(k // len(pythons)) % len(KERNELS)]
        yield Place(python, versions[python], kernels, threads[(k // len(pythons) // len(KERNELS)) % len(threads)])


def _torch(python: str) -> str:
    code = "import torch; print(torch.__version__)"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def campaign(
    planted: Sequence[Regression], clean: int, where: Iterator[Place], seen: Sequence[Outcome], *, restrict: bool
) -> Iterator[Outcome]:
    """Checks with each regression, and without any in between, each at the next place; without those already seen."""
    done = {o.planted for o in seen if o.planted}
    left: list[Regression | None] = [r for r in planted if r.name not in done]
    whole, none = len(left), clean - sum(not o.planted for o in seen)
    for k in range(none):
        left.insert((k + 1) * (whole + none) // none - 1, None)
    with tempfile.TemporaryDirectory() as folder:
        copy = Copy(Path(folder))
        for one, place in zip(left, itertools.islice(where, len(seen), None), strict=False):
            yield copy.check(place, one, [one.seen_in] if one and restrict else ())


def table(outcomes: Sequence[Outcome]) -> str:
    """A row per regression, in Markdown."""
    why = {r.name: r.why for r in PLANTED}
    rows = [
        "| planted | what is then wrong | found | first quantity | largest relative difference |",
        "|---|---|---|---|---|",
    ]
    for o in sorted((o for o in outcomes if o.planted in why), key=lambda o: list(why).index(o.planted)):
        largest = f"{o.largest:.1e}" if o.largest else "a text differs"
        rows.append(f"| {o.planted} | {why[o.planted]} | {'yes' if o.right else '**no**'} | {o.first} | {largest} |")
    return "\n".join(rows)


def summary(outcomes: Sequence[Outcome]) -> str:
    """How many were found, how many alarms were false, and what lies between clean and planted differences."""
    planted, clean = [o for o in outcomes if o.planted], [o for o in outcomes if not o.planted]
    lines = [f"found: {sum(o.right for o in planted)} of {len(planted)} planted regressions"]
    if numbers := [o for o in planted if o.largest and o.right]:
        least = min(numbers, key=lambda o: o.largest)
        lines.append(f"smallest planted difference: {least.largest:.1e} ({least.planted})")
    lines.append(f"false alarms: {sum(not o.right for o in clean)} of {len(clean)} clean checks")
    if clean:
        most = max(clean, key=lambda o: o.largest)
        lines.append(
            f"largest clean difference: {most.largest:.1e} ({most.where}; torch {most.torch}, {most.settings})"
        )
    if outcomes:
        seconds = sorted(o.seconds for o in outcomes)
        lines.append(f"seconds per check: median {seconds[len(seconds) // 2]:.0f}, most {seconds[-1]:.0f}")
    lines += [f"torch {t}: {sum(o.torch == t for o in outcomes)} checks" for t in sorted({o.torch for o in outcomes})]
    return "\n".join(lines)


def main() -> int:
    """Run what the command line asks for; 1 if a regression was missed or an alarm false."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="names of regressions, separated by commas; 'none' for clean checks")
    parser.add_argument("--clean", type=int, default=0, help="how many checks of the tree as it is")
    parser.add_argument(
        "--python", action="append", default=[], help="another Python, with the dependencies; repeatable"
    )
    parser.add_argument("--out", type=Path, help="a file of outcomes, one JSON object per line, which is continued")
    parser.add_argument("--restrict", action="store_true", help="compute one fingerprint per regression only")
    parser.add_argument("--threads", default="1,2", help="numbers of threads; several are slow on a busy machine")
    asked = parser.parse_args()
    where = places([sys.executable, *asked.python], [int(n) for n in asked.threads.split(",")])
    seen = []
    if asked.out and asked.out.exists():
        seen = [Outcome(**json.loads(line)) for line in asked.out.read_text().splitlines()]
    names = [r.name for r in PLANTED] if not asked.only else asked.only.split(",") if asked.only != "none" else []
    if lost := set(names) - {r.name for r in PLANTED}:
        parser.error(f"no regression {', '.join(sorted(lost))}")
    chosen = [r for r in PLANTED if r.name in names]
    for o in campaign(chosen, asked.clean, where, seen, restrict=asked.restrict):
        seen.append(o)
        if asked.out:
            with asked.out.open("a") as file:
                file.write(json.dumps(asdict(o)) + "\n")
        mark = "right" if o.right else "WRONG"
        print(
            f"{mark}: {o.planted or 'clean'} (torch {o.torch}, {o.settings}, {o.seconds:.0f} s): {o.first} {o.error}",
            flush=True,
        )
    print(f"\n{table(seen)}\n\n{summary(seen)}")
    return int(any(not o.right for o in seen))


if __name__ == "__main__":
    sys.exit(main())
