"""The pages of the documentation as text, and the blocks of code on them."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def page_text(name: str) -> str:
    """The text of a page, by its path from the root."""
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text: str) -> list[tuple[str, str]]:
    """The language, which may be empty, and the content of each block of code, in order."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def written_in(language: str, text: str) -> list[str]:
    """The blocks of code in one language."""
    return [code for own, code in blocks(text) if own == language]


def with_few_steps(suite: str) -> str:
    """The suite of the pages about own pictures, with so few steps that it takes seconds."""
    return suite.replace("steps: 150, batch: 8", "steps: 2, batch: 2").replace("steps: 12", "steps: 2")
