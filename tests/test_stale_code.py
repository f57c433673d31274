"""After an edit, exactly what it can change is computed again: keys of plans before and after an edit of a copy."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from rich.table import Table

from conftest import write_suite
from cpbench.benchmark import sources
from cpbench.benchmark.errors import FailedRun
from cpbench.benchmark.plan.planner import Planner
from cpbench.benchmark.plan.units import kind_of
from cpbench.benchmark.protocol import unwatched
from cpbench.benchmark.run.code import DECIDING, code_of_features, code_of_units
from cpbench.benchmark.run.features import features_of
from cpbench.benchmark.run.opening import open_session
from cpbench.benchmark.run.session import Recipe
from cpbench.benchmark.scoring.profiles import load_profile
from cpbench.benchmark.suite.concepts import training_set
from cpbench.methods import registry
from cpbench.methods.configure import options_of
from cpbench.methods.registry import choose

FEW = {"dsc.iterations": "2", "ewc.passes": "1", "merge.captions": "20"}
ROOT = Path(sources.__file__).parents[1]
METHODS = ("base", "lora", "clora", "dsc", "vera-dsc", "helped")
OURS = ("lora", "clora", "dsc", "vera-dsc")  # the plug-in trains by itself
PLUGIN = "site/helped"
ALL = frozenset(("Train", "Draw", "Measure", "Classify"))
SCORES = frozenset(("Measure",))
PICTURES = frozenset(("Draw", "Measure"))
NOTHING = dict.fromkeys(METHODS, frozenset())
ALONE = ("Draw", "Measure", "Classify")  # what a run shares with the base model


def learning(*names):
    return NOTHING | dict.fromkeys(names, ALL)


EDITS = {
    "a comment": ("benchmark/models/latent.py", "import copy\n", "import copy  # deep\n", NOTHING),
    "a docstring": ("methods/learner.py", '"""Run one phase of updates', '"""Do one phase of updates', NOTHING),
    "an annotation": ("methods/training.py", "def rate_share(step: int,", "def rate_share(step: float,", NOTHING),
    "a text of an error": ("methods/training.py", "lower the learning rates", "lower them", NOTHING),
    "a text of the command line": ("benchmark/cli/run.py", "Example: cpbench run", "Try: cpbench run", NOTHING),
    "a constant of all training": ("methods/training.py", "maxlen=max(1,", "maxlen=max(2,", learning(*OURS)),
    "a sign of one method": ("methods/consolidations/clora.py", "return self.o", "return -self.o", learning("clora")),
    "another method": ("methods/consolidations/dsc.py", "task.seed + 1", "task.seed + 2", "dsc"),
    "a helper of a plug-in": (f"{PLUGIN}/helper.py", "= 2.0", "= 2.5", learning("helped")),
    "a metric": ("benchmark/scoring/functional.py", "- 2 * kxy", "- kxy", dict.fromkeys(METHODS, SCORES)),
    "a sampler": ("benchmark/models/sampling.py", "sampler.timesteps:", "sampler.timesteps[1:]:", "sampler"),
    "the classifier": ("benchmark/scoring/classifier.py", "(k + 0.5)", "(k + 0.4)", "classifier"),
    "the drawn world": ("benchmark/toybox/world.py", "1.0", "1.1", "world"),
    "how a plan is printed": ("benchmark/run/progress.py", "return", "return 0 or", NOTHING),
    "the order of a site": ("reports/site/index.py", "higher", "greater", NOTHING),
}
WHOLE = {
    "dsc": learning("dsc", "vera-dsc"),
    "sampler": dict.fromkeys(METHODS, PICTURES),
    "classifier": dict.fromkeys(METHODS, frozenset(("Classify",))),
    "world": dict.fromkeys(METHODS, frozenset((*ALL, "Real"))) | {"base": frozenset((*ALONE, "Real"))},
}


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A copy of the tree, whose code counts in place of the real one, and a plug-in with a helper beside it."""
    copy = tmp_path / "tree"
    for room in ("benchmark", "methods", "reports"):
        shutil.copytree(ROOT / room, copy / room, ignore=lambda _, names: [n for n in names if n == "weights"])
    package = copy / PLUGIN
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "from .helper import factor\n\n\ndef make(backbone, seed):\n    return factor\n"
    )
    (package / "helper.py").write_text("factor = 2.0\n")
    monkeypatch.syspath_prepend(str(package.parent))
    monkeypatch.setattr(sources, "_ROOT", copy)
    point = EntryPoint("helped", "helped:make", "cpbench.methods")
    monkeypatch.setattr(registry, "published", lambda: {"helped": [point]})
    yield copy
    sys.modules.pop("helped", None)


def keys(suite):
    """The kind of each unit by method and key."""
    profile = load_profile("toybox")
    code = code_of_units(profile)
    planner = Planner(suite, profile, "tiny", "w", "cpu", "float32", {"e": "1"}, code=code)
    plans = {name: planner.run(choose(name, {})[0], (0, 1), 0) for name in METHODS}
    return {name: {u.key: kind_of(u)[0] for u in plan.units()} for name, plan in plans.items()}


def test_after_an_edit_exactly_what_it_can_change_is_computed_again(tree, suite, show):
    table, wrong = Table("edit", "computed again: expected", "seen"), []
    before = keys(suite)
    for name, (file, old, new, expected) in EDITS.items():
        text = (tree / file).read_text()
        assert old in text and text != text.replace(old, new), (name, file)
        (tree / file).write_text(text.replace(old, new))
        after = keys(suite)
        (tree / file).write_text(text)
        seen = {m: frozenset(k for key, k in units.items() if key not in before[m]) for m, units in after.items()}
        wanted = WHOLE[expected] if isinstance(expected, str) else expected
        table.add_row(name, described(wanted), described(seen))
        wrong += [name] if seen != wanted else []
    show(table)
    assert not wrong
    assert keys(suite) == before


@pytest.mark.parametrize("file", ["world", "figures", "places"])
def test_features_of_pictures_that_another_renderer_draws_are_computed_again(tree, tmp_path, backbone, suite, file):
    """Renderings are not hashed, so the key of their features has to contain the code that renders."""
    seen, where, profile = [], tmp_path / "features", load_profile("toybox")

    def extract(pictures):
        seen.append(pictures)
        return pictures.mean((1, 2)).astype(float)

    extract.key = "means"
    source = tree / "benchmark" / "toybox" / f"{file}.py"
    for again in (False, False, True, True):
        if again and not source.read_text().endswith("edited = 1\n"):
            source.write_text(source.read_text() + "edited = 1\n")
        pair = features_of(extract, backbone, where, profile, code_of_features())
        pair.of(training_set(suite, suite.concepts[0]))
    assert len(seen) == 2, "once by each code"


def described(kinds):
    """Which kinds of units of which methods."""
    if not any(kinds.values()):
        return "nothing"
    groups = {}
    for method, own in kinds.items():
        groups.setdefault(", ".join(sorted(k.lower() for k in own)), []).append(method)
    return "; ".join(f"{' '.join(who)}: {what}" for what, who in groups.items() if what)


@pytest.mark.slow
def test_no_code_runs_in_a_unit_that_is_not_in_its_digest(suite, tmp_path, monkeypatch):
    """The functions that are called while units of each kind are computed are of modules that their digests cover."""
    recipe = Recipe(suite, tmp_path / "home", load_profile("toybox"), "tiny")
    session = open_session(recipe, lambda event: None)
    called, root = set(), str(ROOT) + os.sep

    def profile(frame, event, argument):
        if event == "call" and frame.f_code.co_filename.startswith(root):
            called.add(frame.f_code.co_filename)

    rooms = re.compile(r"(benchmark/(models|scoring|suite|toybox|run/work|run/features)|methods)/.*\.py$")
    texts = {f"methods/{name}.py" for name in ("plugins", "catalogue", "registry", "build", "parts")}
    seen = Counter()
    for name in ("base", "dsc-ewc-dc", "cd-merge"):
        few = {k: v for k, v in FEW.items() if k.split(".")[0] in options_of(name)}
        (chosen,) = choose(name, few)
        for unit in session.planner("final").run(chosen, (0, 1), 0).units():
            kind = kind_of(unit)[0].lower()
            called.clear()
            seen[name, kind] += 1
            if seen[name, kind] <= 2:  # it takes ten times as long
                sys.setprofile(profile)
            try:
                session.runner.do(unit, unwatched)
            finally:
                sys.setprofile(None)
            known = sources.modules_of(DECIDING[kind], draws=kind == "draw")
            known |= sources.modules_of(parts_of(name)) if chosen.make else set()
            files = {str(sources.file_of(module)) for module in known}
            ran = {f.removeprefix(root) for f in called - files}
            assert {f for f in ran if rooms.match(f)} <= texts | {"benchmark/scoring/profiles.py"}, (name, kind)


def parts_of(name):
    from test_sources import _parts

    from cpbench.methods.catalogue import CATALOGUE

    return _parts(CATALOGUE[name])


@pytest.mark.slow
def test_a_changed_penalty_is_learned_again_by_the_same_command_and_nothing_else_is(tmp_path):
    """The case that was measured once: a penalty was halved, and the old numbers were shown for the new code."""
    copy, suite = tmp_path / "tree", write_suite(tmp_path)
    shutil.copytree(
        ROOT, copy, ignore=shutil.ignore_patterns(".git", "results", "tests", "docs", "build", "*.egg-info")
    )
    (copy / "results").symlink_to(ROOT / "results")
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "cpbench").symlink_to(copy)
    own = {"PYTHONPATH": str(tmp_path / "path"), "CPBENCH_HOME": str(tmp_path / "home")}

    def sweep():
        call = [sys.executable, "-m", "cpbench", "run", "--methods", "lora,clora", "--suite", str(suite)]
        subprocess.run(call, env=os.environ | own, cwd=tmp_path, capture_output=True, check=True)
        return len(list((tmp_path / "home" / "units").glob("*/unit.json")))

    first = sweep()
    assert sweep() == first, "nothing was done again"
    file = copy / "methods" / "consolidations" / "clora.py"
    text = file.read_text()
    file.write_text(text.replace("self.options.strength", "0.5 * self.options.strength", 1))
    assert file.read_text() != text
    second = sweep()
    file.write_text("# a comment\n" + file.read_text())
    assert first < second == sweep()
    made = [p.read_text() for p in (tmp_path / "home" / "units").glob("*/unit.json")]
    assert sum('"method": "clora"' in text for text in made) == 4, "two tasks by each code"
    assert sum('"method": "lora"' in text for text in made) == 2


def test_a_process_with_other_code_than_the_plan_computes_nothing(suite, tmp_path):
    """As on another node of a cluster, or in a process that was started after an edit."""
    session = open_session(Recipe(suite, tmp_path / "home", load_profile("toybox"), "tiny"), lambda event: None)
    (lora,) = choose("lora", {})
    plan = session.planner("final").run(lora, (0, 1), 0)
    for kind in ("train", "draw", "real"):
        other = replace(session.runner, code={**session.runner.code, kind: "other"})
        unit = next(u for u in plan.units() if kind_of(u)[0].lower() == kind)
        with pytest.raises(FailedRun, match="planned by other code"):
            other.do(unit, unwatched)
        assert session.store.find(unit.key) is None
    session.runner.do(plan.trains[0], unwatched)
    assert session.store.find(plan.trains[0].key) is not None
