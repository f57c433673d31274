"""Mutated suite specs: loaded and checked, and a part of them planned by ``run --dry-run``."""

import copy
import json
import math
import shutil
from collections import Counter

import yaml
from fuzz.hostile import STRINGS, altered, places, scrambled
from fuzz.sandbox import attempt, fault_of, unprintable
from PIL import Image

from conftest import TINY
from cpbench.benchmark.cli.main import main
from cpbench.benchmark.errors import CpbenchError
from cpbench.benchmark.suite.concepts import check_suite
from cpbench.benchmark.suite.spec import load_suite

REX = {"name": "rex", "noun": "dog", "folder": "rex"}
ALIKE = (("name", "tiny-2"), ("toybox", 11), ("toybox", 12), ("toybox", 900_000), ("toybox", 900_001), ("noun", "cat"))
NAMES = ("suite.yaml",) * 8 + ("suite.yml", "suite.YAML", "[red].yaml", "a b.yaml", "new\nline.yaml", "-.yaml")
PLANNING = 60.0  # seconds, since a plan measures how fast the machine is, and features of real pictures are computed
PLANNED = 3  # one of so many accepted examples is planned, too


def prepare(sandbox):
    """Write pictures for a concept of a folder, and load what the first plan loads."""
    pictures(sandbox.outside / "rex")
    good = sandbox.outside / "good.yaml"
    good.write_text(json.dumps(TINY))
    plan(good, sandbox, 0)


def pictures(folder):
    """Three small pictures."""
    folder.mkdir(exist_ok=True)
    for k in range(3):
        picture = Image.effect_noise((64, 64), 40 + 30 * k).convert("RGB")
        picture.save(folder / f"{k}.png")


def plan(path, sandbox, seconds=PLANNING):
    """The outcome of planning a suite."""
    words = ["run", "--methods", "base,lora", "--suite", str(path), "--dry-run", "--out", str(sandbox.allowed / "out")]
    return attempt(lambda: main(words), seconds=seconds)


def example(rng, sandbox, index):
    """One example: its label, its fault or None, and a description."""
    shutil.rmtree(sandbox.input, ignore_errors=True)
    sandbox.input.mkdir(exist_ok=True)
    content = mutated(rng)
    path = sandbox.input / rng.choice(NAMES)
    path.write_bytes(content)
    if b"folder" in content:
        (sandbox.input / "rex").symlink_to(sandbox.outside / "rex") if rng.random() < 0.1 else shutil.copytree(
            sandbox.outside / "rex", sandbox.input / "rex"
        )
    before, kept = sandbox.state(), []
    outcome = attempt(lambda: kept.append(loaded(path)), CpbenchError)
    fault = outcome.raised or (accepted(kept[0]) if kept else None)
    if not fault and (not kept or (index % PLANNED == 0 and light(kept[0]))):  # a refusal takes no time
        outcome = plan(path, sandbox)
        fault = fault_of(outcome)
        if not fault and outcome.status == 0 and not kept:
            fault = "refused by load_suite and check_suite, and planned"
    if fault is None and (changed := sandbox.changes(before)):
        fault = f"changed on disk: {changed[:3]}"
    shown = f"{path!r}\n{content[:6000].decode('utf-8', 'replace')}\n{outcome}\n{fault}"
    return "right" if kept else "refused", fault, shown


def light(suite):
    """Whether the short measurement of a plan is short: it draws a batch, and sees all references of a concept."""
    real = suite.evaluation.references * (2 + suite.evaluation.distractors)
    return max(suite.sampling.batch, suite.training.batch, real) <= 200 and suite.sampling.size <= 64


def mutated(rng):
    """The bytes of a spec with some changes."""
    data = copy.deepcopy(TINY)
    if rng.random() < 0.3:
        data["concepts"].append(dict(REX))
    what = rng.random()
    for _ in range(rng.choice((1, 1, 2, 3)) if what < 0.8 else 0):
        altered(data, rng)
    if what > 0.5 and rng.random() < 0.3:
        key, value = rng.choice(ALIKE)
        leaf = [(holder, k) for holder, k in places(data) if k == key and isinstance(holder, dict)]
        for holder, k in leaf:
            holder[k] = rng.choice((value, rng.choice(STRINGS))) if k == "name" else value
    content = written(data, rng)
    return scrambled(content, rng) if what > 0.7 else content


def written(data, rng):
    """The data as YAML, or as JSON, which is YAML, too."""
    try:
        if rng.random() < 0.7:
            flow = rng.random() < 0.2
            return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, default_flow_style=flow).encode()
    except (yaml.YAMLError, RecursionError, UnicodeError):
        pass
    try:
        return json.dumps(data, indent=1).encode()
    except RecursionError:
        return b"name: " + b"[" * 5000


def loaded(path):
    """The suite, checked as it is before a run."""
    suite = load_suite(str(path))
    check_suite(suite)
    return suite


def accepted(suite):
    """What is wrong with a suite that was accepted; None if nothing is."""
    data = suite.model_dump()
    texts = [data[key] for key in ("name", "title", "licence", "backbone")]
    texts += [c[key] for c in data["concepts"] for key in ("name", "noun")]
    texts += [data["prompts"]["train"]]
    texts += [t for key in ("evaluation", "pairs", "prior") for t in data["prompts"][key]]
    one_line = [data["name"], data["backbone"], *(c[key] for c in data["concepts"] for key in ("name", "noun"))]
    if bad := [t for t in texts if unprintable(t)] + [t for t in one_line if "\n" in t]:  # block texts have breaks
        return f"accepted a text that is not printable: {bad[0]!r}"
    name = data["name"]
    if "/" in name or "\\" in name or name.strip(". ") != name or not 0 < len(name.encode()) <= 200:
        return f"accepted as the name of a suite: {name!r}"
    if bad := [c["noun"] for c in data["concepts"] if not c["noun"].strip()]:
        return f"accepted as a noun: {bad[0]!r}"
    if bad := [n for n in numbers(data) if abs(n) > 2**63 or not math.isfinite(n)]:
        return f"accepted a number: {bad[0]!r}"
    return twice(data)


def twice(data):
    """What an accepted suite has two times."""
    own = Counter((c["noun"], c["toybox"]) for c in data["concepts"] if c["toybox"] is not None)
    folders = Counter(c["folder"].strip("./") for c in data["concepts"] if c["folder"] is not None)
    prompts = [Counter(data["prompts"][key]) for key in ("evaluation", "pairs", "prior")]
    for what, counts in (("concept", own), ("folder", folders), *(("prompt", c) for c in prompts)):
        if bad := [key for key, n in counts.items() if n > 1]:
            return f"accepted the same {what} twice: {bad[0]!r}"
    last = 900_000 + data["evaluation"]["distractors"]
    if bad := [c for c in data["concepts"] if c["toybox"] is not None and 900_000 <= c["toybox"] < last]:
        return f"accepted a concept that is a look-alike: {bad[0]!r}"
    return None


def numbers(data):
    """Every number in nested data."""
    if isinstance(data, dict | list | tuple):
        for one in data.values() if isinstance(data, dict) else data:
            yield from numbers(one)
    elif isinstance(data, int | float) and not isinstance(data, bool):
        yield data
