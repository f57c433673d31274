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
from pages import ROOT, blocks, page_text, with_few_steps, written_in
from pipelines import sd, written
from test_own import phone

import cpbench
from conftest import TINY, status_of
from cpbench.benchmark.suite import own, spec
from cpbench.benchmark.suite.settings import Sampling, Training
from cpbench.methods.catalogue import CATALOGUE

PAGES = ["README.md", *sorted(f"docs/{f.name}" for f in (ROOT / "docs").glob("*.md"))]
FEW = {"steps": 2, "batch": 2, "pictures": 2}
NOT_RUN = {
    "run --methods all --executor ray": "needs a cluster",
    "conformance anchor": "needs a package that another test installs",
    "run --methods anchor,lora": "the same",
    "score --metrics contrast": "the same",
    "speed": "measures for minutes",
    "tune": "takes hours",
    "check": "re-runs stored runs of the real model, or changes the files of the project",
    "data fetch": "needs the network",
    "data verify": "needs what that fetched",
    "score --profile dreambooth": "needs weights from the network",
    "compare 3fa4 90bc": "ids of two runs that nobody has",
    "compare ./runs ./runs-before": "a folder of another day",
    "compare dsc clora --fail-if": "its status says which method is better",
}
"""How commands begin that are not run here, and why."""


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
        for language, block in blocks(page_text(page)):
            for line in entered(block) if language in ("", "sh", "bash") else ():
                if line.startswith("cpbench "):
                    found.setdefault(line, page)
    return [(page, line) for line, page in found.items()]


def left_out(line):
    """The beginnings of NOT_RUN that a command has."""
    return [words for words in NOT_RUN if line.removeprefix("cpbench ").startswith(words)]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with all that the pages speak of, in a size that takes seconds."""
    top = tmp_path_factory.mktemp("docs")
    suites = top / "suites"
    suites.mkdir()
    few = {"training": FEW, "evaluation": TINY["evaluation"] | {"per_prompt": 1}, "sampling": TINY["sampling"]}
    few |= {"prompts": {"train": "photo of a {}", "evaluation": ["photo of a {}"]}, "backbone": "tiny"}
    for name in spec.suite_names():
        content = yaml.safe_load((spec.spec_folder() / f"{name}.yaml").read_text())
        drawn = [{"name": c["name"], "noun": "cat", "toybox": k} for k, c in enumerate(content["concepts"][:2], 1)]
        content.pop("data", None)
        (suites / f"{name}.yaml").write_text(yaml.safe_dump(content | few | {"concepts": drawn}))
    for folder, noun, seed in (("cat", "cat", 1), ("mug", "cup", 2)):
        (top / "my-concepts" / folder).mkdir(parents=True)
        for k, picture in enumerate(phone(noun, seed, 6)):
            picture.save(top / "my-concepts" / folder / f"photo-{k + 1}.jpg")
    for page, file in (("own-pictures", "my-concepts/mine"), ("extending", "two-pets")):
        suite = with_few_steps(written_in("yaml", page_text(f"docs/{page}.md"))[0])
        (top / f"{file}.yaml").write_text(suite.replace("backbone: toybox", "backbone: tiny  "))
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


@pytest.fixture
def there(world, monkeypatch):
    """The folder, as the current one, with a store and suites of its own, and the model."""
    top, model = world
    monkeypatch.setenv("CPBENCH_HOME", str(top / "home"))
    monkeypatch.setattr(spec, "spec_folder", lambda: top / "suites")
    monkeypatch.setattr(own, "_training", lambda model, learned, *, captions: Training(**FEW | {"pictures": learned}))
    monkeypatch.setattr(own, "_sampling", lambda model: Sampling(**TINY["sampling"]))
    monkeypatch.chdir(top)
    return top, model


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_every_command_of_every_page_works(there, capfd, show):
    top, model = there
    assert status_of(*small(shlex.split("run --methods lora --data my-concepts --backbone sd15"), model, "")) == 0
    (record,) = (top / "runs").rglob("*.json")
    assert status_of("export", record.stem, "--format", "kohya", "--out", "my-loras") == 0
    Path("my-loras/adapter.safetensors").rename("my-loras/my-cat-500.safetensors")
    failed, ran = {}, [(page, line) for page, line in commands() if not left_out(line)]
    for page, line in ran:
        words = small(shlex.split(line)[1:], model, record.stem)
        if status_of(*words):
            failed[page, line] = capfd.readouterr().err.strip()[-300:]
    show(f"{len(ran)} commands of {len(PAGES)} pages")
    assert failed == {}


def test_only_commands_that_pages_have_are_left_out():
    assert {words for _, line in commands() for words in left_out(line)} == NOT_RUN.keys()


@pytest.mark.slow
def test_the_examples_of_the_python_api_run(there, capsys):
    names = {}
    for block in written_in("python", page_text("docs/python.md")):
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
            words = page_text(f"docs/parts/{part}.md").split("**")[1].rstrip(".")
            assert words in text


def test_the_reference_has_every_public_name(site):
    folder, _ = site
    text = (folder / "api" / "index.html").read_text(encoding="utf-8")
    missing = [name for name in cpbench._PUBLIC if f'id="cpbench.{cpbench._PUBLIC[name]}.{name}"' not in text]
    assert missing == []
    assert ":func:" not in text and ":class:" not in text
