"""The documentation builds, and what it tells people to enter works."""

import os
import re
import shlex
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import yaml
from pipelines import sd, written
from test_own import phone

import cpbench
from conftest import status_of
from cpbench.benchmark.suite import own, spec
from cpbench.benchmark.suite.settings import Sampling, Training
from cpbench.methods.catalogue import CATALOGUE

ROOT = Path(__file__).parent.parent
PAGES = ["README.md", *sorted(f"docs/{f.name}" for f in (ROOT / "docs").glob("*.md"))]
NOT_RUN = {
    "ray": "needs a cluster",
    "pretrain": "takes hours",
    "conformance anchor": "needs a package that another test installs",
    "--metric contrast": "the same",
    "--metrics contrast": "the same",
    "anchor,lora": "the same",
    "speed": "measures for minutes",
    "tune": "takes hours",
    "--update": "changes the files of the project",
    "check": "re-runs stored runs of the real model",
    "data fetch": "needs the network",
    "data verify": "needs what that fetched",
    "data lock": "the same",
    "validate results": "reads the records of the checkout",
    "--profile dreambooth": "needs weights from the network",
    "mirror": "names a mirror of no one",
    "--only site": "draws for a minute",
    "3fa4 90bc": "ids of two runs that nobody has",
    "./runs-before": "a folder of another day",
    "--fail-if": "its status says which method is better",
}
"""What of commands is not run here, and why."""


def entered(block):
    """The lines of a block as they are entered: a loop of the shell is one line per value."""
    for line in block.splitlines():
        loop = re.fullmatch(r"for (\w+) in (.*?); do (.*); done", line)
        for value in loop[2].split() if loop else [""]:
            yield (loop[3].replace(f"${loop[1]}", value) if loop else line).partition(" #")[0].strip()


def commands():
    """Each command of a block of a page, once, in the order of the pages."""
    found = {}
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            for line in entered(block) if language in ("", "sh", "bash") else ():
                if line.startswith("cpbench ") and not any(words in line for words in NOT_RUN):
                    found.setdefault(line, page)
    return [(page, line) for line, page in found.items()]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with all that the pages speak of, in a size that takes seconds."""
    top = tmp_path_factory.mktemp("docs")
    suites = top / "suites"
    suites.mkdir()
    for name in spec.suite_names():
        own = yaml.safe_load((spec.spec_folder() / f"{name}.yaml").read_text())
        pictures = [{"name": c["name"], "noun": "cat", "toybox": k + 1} for k, c in enumerate(own["concepts"][:2])]
        own |= {"concepts": pictures, "backbone": "tiny", "training": {"steps": 2, "batch": 2, "pictures": 2}}
        own["sampling"] = {"sampler": "dpm++", "steps": 2, "guidance": 2.0, "batch": 8, "size": 64}
        own["evaluation"] = {"per_prompt": 1, "references": 2, "distractors": 1, "profile": "toybox"}
        own["prompts"] = {"train": "photo of a {}", "evaluation": ["photo of a {}"]}
        own.pop("data", None)
        (suites / f"{name}.yaml").write_text(yaml.safe_dump(own))
    for folder, noun, seed in (("cat", "cat", 1), ("mug", "cup", 2)):
        (top / "my-concepts" / folder).mkdir(parents=True)
        for k, picture in enumerate(phone(noun, seed, 6)):
            picture.save(top / "my-concepts" / folder / f"photo-{k + 1}.jpg")
    for page, file in (("own-pictures", "my-concepts/mine"), ("extending", "two-pets")):
        block = re.search(r"^```yaml\n(.*?)^```$", (ROOT / f"docs/{page}.md").read_text(), re.MULTILINE | re.DOTALL)[1]
        few = block.replace("steps: 150, batch: 8", "steps: 2, batch: 2").replace("steps: 12", "steps: 2")
        (top / f"{file}.yaml").write_text(few.replace("backbone: toybox", "backbone: tiny  "))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, model = written(top / "model", sd)
    return top, model


def small(words, model, run):
    """A command as it is run here: with small models, on the CPU, in this process."""
    changed = {"sd15": model, "my-model": model, "cuda": "cpu", "3fa4": run, "all": "lora,ti", "2,4,6": "1,2"}
    words = [changed.get(word, word) for word in words if word != "--download"]
    few = {"--jobs": "1", "--orders": "1", "--seeds": "1"}
    words = [few.get(before, word) for before, word in zip(["", *words], words, strict=False)]
    alone = words[0] in ("run", "score", "score-adapters")
    unsaid = "--data" in words and "--backbone" not in words
    return words + ["--jobs", "1"] * (alone and "--jobs" not in words) + ["--backbone", "tiny"] * unsaid


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_every_command_of_every_page_works(world, capfd, monkeypatch, show):
    top, model = world
    monkeypatch.setenv("CPBENCH_HOME", str(top / "home"))
    monkeypatch.setattr(spec, "spec_folder", lambda: top / "suites")
    monkeypatch.setattr(
        own, "_training", lambda model, learned, *, captions: Training(steps=2, batch=2, pictures=learned)
    )
    monkeypatch.setattr(
        own, "_sampling", lambda model: Sampling(sampler="dpm++", steps=2, guidance=2.0, batch=8, size=64)
    )
    monkeypatch.chdir(top)
    assert status_of(*small(shlex.split("run --methods lora --data my-concepts --backbone sd15"), model, "")) == 0
    (record,) = (top / "runs").rglob("*.json")
    assert status_of("export", record.stem, "--format", "kohya", "--out", "my-loras") == 0
    Path("my-loras/adapter.safetensors").rename("my-loras/my-cat-500.safetensors")
    failed = {}
    for page, line in commands():
        words = small(shlex.split(line)[1:], model, record.stem)
        if status_of(*words):
            failed[page, line] = capfd.readouterr().err.strip()[-300:]
    show(f"{len(commands())} commands of {len(PAGES)} pages")
    assert failed == {}


@pytest.mark.slow
def test_the_examples_of_the_python_api_run(world, monkeypatch, capsys):
    top, _ = world
    monkeypatch.setenv("CPBENCH_HOME", str(top / "home"))
    monkeypatch.setattr(spec, "spec_folder", lambda: top / "suites")
    monkeypatch.chdir(top)
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    names = {}
    for block in re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        exec(block.replace("seeds=3", 'seeds=1, jobs=1, device="cpu"'), names)
    assert set(names["results"].scores["method"]) >= {"lora"}
    assert capsys.readouterr().out == ""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site, and what the build said."""
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    folder = tmp_path_factory.mktemp("site")
    home = {"CPBENCH_HOME": str(folder / "home"), "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-f", ROOT / "mkdocs.yml", "-d", folder / "site"],
        capture_output=True, text=True, check=False, env=os.environ | home,
    )  # fmt: skip
    return folder / "site", done


def test_the_documentation_builds_without_a_warning_or_a_dead_link(site):
    folder, done = site
    assert (done.returncode, done.stdout.strip(), done.stderr.strip()) == (0, "", "")
    for page in folder.rglob("*.html"):
        for target in re.findall(r'(?:href|src)="([^"#?]+)[^"]*"', page.read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:|//", target):
                place = folder / target.lstrip("/") if target.startswith("/") else page.parent / target
                assert place.exists(), f"{page.relative_to(folder)}: {target}"


def test_nothing_of_the_documentation_is_loaded_from_other_servers(site):
    folder, _ = site
    for page in folder.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.findall(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="(?:https?:)?//(?!cpbench)[^"]+"', text), (
            page
        )


def test_every_method_has_a_page_with_its_parts_equation_and_options(site):
    folder, _ = site
    for name, row in CATALOGUE.items():
        text = (folder / "methods" / name / "index.html").read_text(encoding="utf-8")
        assert row.sentence.split(":")[0][:20].replace("'", "&#39;") in text
        assert "How it works" in text or not row.adapter
        assert "Options" in text or not row.adapter
        for part in filter(None, (row.adapter, *row.consolidations)):
            words = (ROOT / "docs" / "parts" / f"{part}.md").read_text(encoding="utf-8").split("**")[1].rstrip(".")
            assert words in text


def test_the_reference_has_every_public_name(site):
    folder, _ = site
    text = (folder / "api" / "index.html").read_text(encoding="utf-8")
    missing = [name for name in cpbench._PUBLIC if f'id="cpbench.{cpbench._PUBLIC[name]}.{name}"' not in text]
    assert missing == []
    assert ":func:" not in text and ":class:" not in text
