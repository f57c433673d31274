"""``cpbench.folder_suite``: own pictures as a suite, and the sheet that shows what of them is learned."""

from __future__ import annotations

import json
from pathlib import Path

from ...methods.presets import EMBEDDED
from ...reports.grid import grid
from ..models.folders import find_pipeline
from ..models.published import PUBLISHED
from ..suite.concepts import learning
from ..suite.folders import folder_pictures
from ..suite.own import Model, Nouns, own_suite
from ..suite.spec import Suite

SHEET = "contact-sheet.png"
_USUAL = 512
_WIDE = 8


def folder_suite(data: str | Path, nouns: Nouns = (), backbone: str | None = None, *, download: bool = False) -> Suite:
    """The suite of a folder with a folder of pictures per concept, for ``toybox`` or another model.

    nouns: class nouns, such as ``cat,mug`` or ``{"my-cat": "cat"}``; by default those that the folders' names end with.
    Of five pictures or more, a quarter is held out: never learned, and compared with what is drawn. backbone, download:
    as in :func:`sweep`.

    Raises BadInput for a folder that cannot be used, and for a concept whose noun is neither given nor known.
    """
    name = backbone or EMBEDDED[0]
    return own_suite(Path(data), nouns, Model(name, _side(name, download=download), name in EMBEDDED))


def write_sheet(suite: Suite, out: Path) -> Path:
    """Write a sheet of the pictures of a suite's folders as the model sees them, the learned ones apart."""
    rows = []
    for concept in suite.concepts:
        with learning(concept):
            parts = {part: folder_pictures(suite, concept, part) for part in ("learned", "unseen")}
        for part, words in (("learned", "learned"), ("unseen", "held out: never learned")):
            if len(pictures := parts[part]):
                rows.append((f"{concept.name} ({concept.noun}), {len(pictures)} {words}", pictures))
    file = out / suite.name / SHEET
    file.parent.mkdir(parents=True, exist_ok=True)
    size = f"{suite.sampling.size} × {suite.sampling.size} pixels"
    grid(f"{suite.name}: pictures as {suite.backbone} sees them, {size}", rows, wide=_WIDE).save(file)
    return file


def _side(name: str, *, download: bool) -> int:
    """The side of the pictures that a model was trained on, in pixels."""
    if name in EMBEDDED:
        return 64
    if name in PUBLISHED:
        return PUBLISHED[name].size
    folder = find_pipeline(name, download=download).path
    for part in ("unet", "transformer"):
        file, vae = folder / part / "config.json", folder / "vae" / "config.json"
        if file.is_file() and vae.is_file():
            side = json.loads(file.read_text()).get("sample_size")
            blocks = json.loads(vae.read_text()).get("block_out_channels", [0] * 4)
            return side * 2 ** (len(blocks) - 1) if isinstance(side, int) else _USUAL
    return _USUAL
