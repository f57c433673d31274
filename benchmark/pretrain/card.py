"""The model card of the toybox model: its quality, and a sheet of samples.

Run ``python -m cpbench.benchmark.pretrain.card FOLDER``. It measures the shipped weights, which takes minutes on two
cores, and writes ``quality.json``, ``quality.md`` and ``samples.png`` into the folder.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID

from ..plain_json import write_json
from ..protocol import Tick
from ..suite.spec import Sampling
from ..terminal import Terminal, words
from ..toybox.parts import Parts
from ..toybox.weights import read_parts
from ..toybox.world import CLASSES
from . import quality

REQUIRED = {"psnr": 27.0, "class": 0.9, "place": 0.9, "colour": 0.8, "colour_plain": 0.8, "diffusion_class": 0.8}
_TITLES = {
    "class": "class recognised in samples",
    "place": "place recognised in samples",
    "colour": "main colour recognised in samples",
    "colour_plain": "main colour, subjects without a pattern",
    "diffusion_class": "class by zero-shot diffusion classification",
}


def write_sheet(parts: Parts, seed: int, file: Path, sampling: Sampling = quality.SAMPLING) -> list[str]:
    """Write a sheet of samples as PNG: one column per class, for its first four held-out captions; returns these."""
    of = quality.scenes(quality.HELD_OUT, 512)
    chosen = [[s.caption for s in of if s.noun == noun][:4] for noun in CLASSES]
    captions = [column[row] for row in range(4) for column in chosen]
    backbone = quality.backbone_of(parts, sampling)
    drawn = quality.draw(backbone, captions, seed).reshape(4, len(CLASSES), 64, 64, 3)
    sheet = drawn.transpose(0, 2, 1, 3, 4).reshape(4 * 64, -1, 3)
    Image.fromarray(sheet).resize((2 * sheet.shape[1], 2 * sheet.shape[0]), Image.Resampling.NEAREST).save(file)
    return captions


def model_card(figures: dict[str, float]) -> str:
    """The section *How good it is* of the model card, in Markdown, from the figures of :func:`.quality.measure`."""
    psnr = f"{figures['psnr']:.1f} dB ({figures['psnr_of_mean_error']:.1f} dB of the mean error)"
    rows = [f"| autoencoder, PSNR | {psnr} | | | ≥ {REQUIRED['psnr']:.0f} dB | {figures['psnr_n']:.0f} |"]
    for name, title in _TITLES.items():
        ceiling = f"{figures[f'{name}_ceiling']:.1%}" if f"{name}_ceiling" in figures else ""
        low, high = (f"{figures[f'{name}_{end}']:.1%}" for end in ("low", "high"))
        required = f"≥ {REQUIRED[name]:.0%}" if name in REQUIRED else ""
        n = f"{figures[f'{name}_n']:.0f}"
        rows.append(f"| {title} | {figures[name]:.1%} | {low} to {high} | {ceiling} | {required} | {n} |")
    columns = ("on held-out scenes", "measured", "95 % interval", "on real pictures", "required", "n")
    head = (f"| {' | '.join(columns)} |", "|---" * len(columns) + "|")
    return "\n".join(["## How good it is", "", *head, *rows, ""])


def main(folder: Path) -> None:
    """Measure the shipped weights and write all three files into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = read_parts()
    with Progress(words("{task.description}"), BarColumn(), MofNCompleteColumn(), console=Terminal()) as bars:
        tasks: dict[str, TaskID] = {}

        def watch(tick: Tick) -> None:
            if tick.phase not in tasks:
                tasks[tick.phase] = bars.add_task(tick.phase, total=tick.steps)
            bars.update(tasks[tick.phase], completed=tick.step)

        figures = quality.measure(parts, seed=0, watch=watch)
    write_json(folder / "quality.json", figures)
    (folder / "quality.md").write_text(model_card(figures))
    write_sheet(parts, 0, folder / "samples.png")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "card"))
