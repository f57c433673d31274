"""What a newcomer does who has read the documentation and no source, in a fresh environment with cpbench in it.

Makes a package with a consolidation of its own and a suite of its own pictures, in the forms that the pages show, and
finds both on the site. Called by ``.ci/run`` with an empty folder to work in; it reads pages of the
documentation, and imports nothing of cpbench.
"""

import subprocess
import sys
from pathlib import Path

from pages import page_text, written_in
from PIL import Image, ImageDraw

MOST = 40
"""The lines of code that a consolidation may take, with all that publishes it."""


def enter(*words: str | Path, folder: Path) -> str:
    """What a command of this environment prints."""
    program = Path(sys.executable).parent / words[0]
    print("$", *words, flush=True)
    return subprocess.run([program, *words[1:]], check=True, cwd=folder, stdout=subprocess.PIPE, text=True).stdout


def package(folder: Path) -> None:
    """The package with a consolidation, as its page shows it."""
    page = page_text("docs/extending.md")
    files = written_in("toml", page)[0], next(b for b in written_in("python", page) if "class Anchor" in b)
    (folder / "cpbench_anchor").mkdir(parents=True)
    (folder / "pyproject.toml").write_text(files[0], encoding="utf-8")
    (folder / "cpbench_anchor" / "__init__.py").write_text(files[1], encoding="utf-8")
    lines = [line for line in files[1].splitlines() if line.strip()]
    assert len(lines) <= MOST, f"{len(lines)} lines of code"


def photographs(folder: Path, colour: str, count: int) -> None:
    """Pictures of one thing at several places."""
    folder.mkdir(parents=True)
    for k in range(count):
        picture = Image.new("RGB", (640, 480), (210 - 20 * k, 200, 160 + 15 * k))
        draw = ImageDraw.Draw(picture)
        x, y, r = 200 + 40 * k, 150 + 25 * (k % 3), 90 + 10 * k
        draw.ellipse((x, y, x + r, y + r), fill=colour, outline="black", width=6)
        draw.rectangle((x + r // 3, y + r, x + r // 2, y + r + 80), fill="black")
        picture.save(folder / f"photo-{k + 1}.jpg")


def suite(folder: Path) -> Path:
    """The suite file of the page about own pictures, with pictures beside it."""
    photographs(folder / "cat", "orange", 6)
    photographs(folder / "mug", "navy", 6)
    file = folder / "mine.yaml"
    file.write_text(written_in("yaml", page_text("docs/own-pictures.md"))[0], encoding="utf-8")
    return file


def main(work: Path) -> None:
    """Do all of it; raises AssertionError if one of both is not on the site."""
    package(work / "package")
    file = suite(work / "my-concepts")
    enter("pip", "install", "--quiet", work / "package", folder=work)
    assert "anchor" in enter("cpbench", "list", "methods", folder=work)
    enter("cpbench", "conformance", "anchor", folder=work)
    enter("cpbench", "run", "--methods", "lora,anchor", "--set", "anchor.strength=2", "--suite", file, folder=work)
    enter("cpbench", "report", "--only", "site", folder=work)
    site = work / "report" / "site"
    for pages, words in (
        ("methods", "holds the LoRA near its weights after the last task"),
        (".", "mine"),
        (".", "my-mug"),
    ):
        assert any(words in f.read_text(encoding="utf-8") for f in (site / pages).rglob("*.html")), words
    enter("pip", "uninstall", "--quiet", "--yes", "cpbench-anchor", folder=work)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
