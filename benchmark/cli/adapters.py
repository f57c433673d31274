"""``cpbench score-adapters``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options as o
from .run import chosen_suite


def score_adapters(
    adapters: Annotated[
        Path, typer.Argument(help="A file of safetensors (diffusers, kohya), a folder of peft, or a folder of these.")
    ],
    suite: Annotated[
        str | None,
        typer.Option(help="Name of a suite, or path of its YAML file.", autocompletion=o.complete_suites),
    ] = None,
    data: o.Data = None,
    nouns: o.Nouns = "",
    phrase: Annotated[
        list[str] | None,
        typer.Option(help="Trigger words of a concept, e.g. my-cat='sks cat'. Default: its class noun. Repeatable."),
    ] = None,
    backbone: o.BackboneName = None,
    download: o.Download = False,
    device: o.Device = "auto",
    dtype: o.Dtype = "float32",
    jobs: o.Jobs = "auto",
    out: o.Out = Path("runs"),
    quiet: o.Quiet = False,
) -> None:
    """Score LoRA files that other programs trained: how well each shows its concept, and what else it changes.

    Example: cpbench score-adapters my-loras --data my-concepts --backbone sd15 --phrase my-cat='sks cat'

    The name of a file begins with that of its concept, as in my-cat-500.safetensors. The row 'together' adds up the
    adapters of all concepts: its forgetting is how much they disturb each other.
    """
    from ..errors import BadInput
    from ..verbs.adapters import score_adapters as verb
    from ..verbs.arguments import suite_of
    from .console import recording

    if suite is None and data is None:
        raise BadInput("name the pictures to compare with: --data FOLDER, or --suite NAME.")
    pairs = [text.partition("=") for text in phrase or ()]
    if odd := [text for text, (_, equals, _) in zip(phrase or (), pairs, strict=True) if not equals]:
        raise BadInput(f"--phrase {odd[0]}: write it as concept=words, e.g. my-cat='sks cat'.")
    chosen = suite_of(chosen_suite(suite, data, nouns, backbone, out, download=download))
    with recording(out, quiet=quiet) as view:
        verb(
            adapters, chosen, phrases={name.strip(): words.strip() for name, _, words in pairs}, backbone=backbone,
            device=device, dtype=dtype, jobs=o.number_or_word(jobs), out=out, on_event=view,
        )  # fmt: skip
