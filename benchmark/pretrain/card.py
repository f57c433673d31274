"""The model card of the toybox model: its quality in figures, and a sheet of samples.

Run as ``python -m cpbench.benchmark.pretrain.card FOLDER``: measures the shipped weights (minutes on two cores) and
writes ``quality.json``, ``quality.md`` and ``samples.png`` into the folder.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from PIL import Image
from rich.progress import Progress, TaskID

from ..protocol import Tick
from ..toybox.parts import Parts
from ..toybox.weights import read_parts
from ..toybox.world import CLASSES
from . import quality

ASKED = {"psnr": 27.0, "class": 0.9, "place": 0.9, "colour": 0.8, "colour_plain": 0.8, "diffusion_class": 0.8}
_TITLES = {
    "class": "class recognised in samples",
    "place": "place recognised in samples",
    "colour": "main colour recognised in samples",
    "colour_plain": "the same, subjects without a pattern",
    "diffusion_class": "class by zero-shot diffusion classification",
}


def write_sheet(parts: Parts, seed: int, file: Path) -> list[str]:
    """Write a sheet of samples as PNG, a column a class, from its first four held-out captions; returns these."""
    of = quality.scenes(quality.HELD_OUT, 512)
    chosen = [[s.caption for s in of if s.noun == noun][:4] for noun in CLASSES]
    captions = [column[row] for row in range(4) for column in chosen]
    drawn = quality.draw(quality.backbone_of(parts), captions, seed).reshape(4, len(CLASSES), 64, 64, 3)
    sheet = drawn.transpose(0, 2, 1, 3, 4).reshape(4 * 64, -1, 3)
    Image.fromarray(sheet).resize((2 * sheet.shape[1], 2 * sheet.shape[0]), Image.Resampling.NEAREST).save(file)
    return captions


def model_card(figures: dict[str, float]) -> str:
    """The section *How good it is* of the model card, in Markdown, from what :func:`measure` returns."""
    codec = f"{figures['psnr']:.1f} dB ({figures['psnr_of_mean_error']:.1f} dB of the mean error)"
    rows = [f"| autoencoder, PSNR | {codec} | | | ≥ {ASKED['psnr']:.0f} dB | {figures['psnr_n']:.0f} |"]
    for name, title in _TITLES.items():
        ceiling = f"{figures[f'{name}_ceiling']:.1%}" if f"{name}_ceiling" in figures else ""
        low, high = (f"{figures[f'{name}_{end}']:.1%}" for end in ("low", "high"))
        asked = f"≥ {ASKED[name]:.0%}" if name in ASKED else ""
        n = f"{figures[f'{name}_n']:.0f}"
        rows.append(f"| {title} | {figures[name]:.1%} | {low} to {high} | {ceiling} | {asked} | {n} |")
    head = ("| on held-out scenes | measured | 95 % interval | on real ones | asked | n |", "|---|---|---|---|---|---|")
    return "\n".join(["## How good it is", "", *head, *rows, ""])


def main(folder: Path) -> None:
    """Measure the shipped weights and write all three files."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = read_parts()
    with Progress() as bars:
        tasks: dict[str, TaskID] = {}

        def watch(tick: Tick) -> None:
            if tick.phase not in tasks:
                tasks[tick.phase] = bars.add_task(tick.phase, total=tick.steps)
            bars.update(tasks[tick.phase], completed=tick.step)

        figures = quality.measure(parts, seed=0, watch=watch)
    (folder / "quality.json").write_text(json.dumps(figures, indent=1) + "\n")
    (folder / "quality.md").write_text(model_card(figures))
    write_sheet(parts, 0, folder / "samples.png")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "card"))
