"""The folder of a pipeline in diffusers' layout: found by name, and refused with what helps where it cannot be used."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from ..errors import BadInput
from ..wording import shown
from .published import PUBLISHED

INDEX = "model_index.json"
_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")
_WEIGHTS = re.compile(r"(?:diffusion_pytorch_model|model)(?:\.(?P<variant>[\w-]+?))?(?:-\d{5}-of-\d{5})?\.safetensors")
_WANTED = ("*.json", "*.txt", "*.model", "*/*.safetensors")
_CONVERT = (
    'convert it once, on a machine where you trust the file: python -c "from diffusers import DiffusionPipeline as P; '
    "P.from_pretrained('{folder}').save_pretrained('NEW_FOLDER')\""
)
_SINGLE = (
    'write it as a folder first: python -c "from diffusers import StableDiffusionPipeline as P; '
    "P.from_single_file('{file}').save_pretrained('NEW_FOLDER')\" (StableDiffusionXLPipeline for SDXL), then give "
    "NEW_FOLDER"
)


@dataclass(frozen=True)
class PipelineFolder:
    """A folder of a pipeline.

    ``kind`` is the name of its class, ``variant`` that of its files (``fp16``), if any. ``parts``: what is used of it;
    ``left_out``: what it lacks.
    """

    path: Path
    kind: str
    variant: str | None
    parts: tuple[str, ...]
    left_out: tuple[str, ...]


def find_pipeline(name: str, *, download: bool = False, weights: bool = True) -> PipelineFolder:
    """The pipeline with a short name, in a folder, or with a hub id (``owner/name``, ``owner/name@revision``).

    Nothing is downloaded unless ``download`` is true. Without ``weights``, settings are enough.

    Raises BadInput with what to do.
    """
    path = _folder(name, download=download)
    index = _index(name, path)
    parts = [path / part for part, (library, _) in _parts(index) if library is not None]
    missing = [part.name for part in parts if not part.is_dir()]
    if missing:
        raise BadInput(f"backbone '{shown(name)}': the folder {missing[0]} is missing from {path}; fetch it again.")
    left_out = tuple(part for part, (library, _) in _parts(index) if library is None)
    variant, used = _variant(name, path, _with_weights(parts)) if weights else None, tuple(p.name for p in parts)
    return PipelineFolder(path, str(index.get("_class_name")), variant, used, left_out)


def _folder(name: str, *, download: bool) -> Path:
    path, address = Path(name), PUBLISHED[name].address if name in PUBLISHED else name
    try:
        there = bool(name) and path.exists()
    except (OSError, ValueError):  # the name is too long, or has NUL
        there = False
    if there and name not in PUBLISHED:
        if path.is_file():
            raise BadInput(f"backbone '{shown(name)}' is a file; {_SINGLE.format(file=name)}.")
        return path
    if name.startswith((".", "/", "~")) or not _ID.fullmatch(address):
        raise BadInput(
            f"backbone '{shown(name)}': no such folder; give toybox, {', '.join(PUBLISHED)}, a folder in diffusers' "
            "layout, or a hub id (owner/name)."
        )
    repository, _, revision = address.partition("@")
    try:
        return Path(
            snapshot_download(
                repository, revision=revision or None, allow_patterns=list(_WANTED), local_files_only=not download
            )
        )
    except (LocalEntryNotFoundError, HFValidationError):
        raise BadInput(
            f"backbone '{shown(name)}' is not on this machine. Fetch it with --download, or with "
            f"'{_command(repository, revision)}'."
        ) from None
    except (HfHubHTTPError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise BadInput(f"backbone '{shown(name)}' cannot be fetched ({reason}).") from None


def _command(repository: str, revision: str) -> str:
    """The command that fetches a model, without files in pickle formats."""
    at = f" --revision {revision}" if revision else ""
    return f"hf download {repository}{at} " + " ".join(f'--include "{pattern}"' for pattern in _WANTED)


def _index(name: str, path: Path) -> dict[str, Any]:
    file = path / INDEX
    if not file.is_file():
        inside = next((p.parent for p in sorted(path.glob(f"*/{INDEX}"))), None)
        lora = "" if inside else " A LoRA or a single part of a model is not a backbone."
        better = f"give {inside}" if inside else f"a pipeline in diffusers' layout has the file {INDEX}"
        raise BadInput(f"backbone '{shown(name)}' has no {INDEX}; {better}.{lora}")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{file} cannot be read ({error}); fetch the model again.") from None
    if not isinstance(found, dict):
        raise BadInput(f"{file} does not describe a pipeline; fetch the model again.")
    return found


def _parts(index: dict[str, Any]) -> Iterator[tuple[str, tuple[str | None, str | None]]]:
    """The parts of a pipeline that are used, with library and class; those of the safety checker are not."""
    for part, value in index.items():
        used = not part.startswith("_") and part not in ("safety_checker", "feature_extractor", "image_encoder")
        if used and isinstance(value, list) and len(value) == 2:
            yield part, (value[0], value[1])


def _with_weights(parts: list[Path]) -> list[Path]:
    return [part for part in parts if part.name.startswith(("unet", "transformer", "vae", "text_encoder"))]


def _variant(name: str, path: Path, parts: list[Path]) -> str | None:
    """The variant that all parts have, the plain one first; raises BadInput where there is none."""
    each = [{m["variant"] or "" for f in part.iterdir() if (m := _WEIGHTS.fullmatch(f.name))} for part in parts]
    common = set.intersection(*each) if each else {""}
    if "" in common:
        return None
    if common:
        return "fp16" if "fp16" in common else min(common)
    bare = next(part for part, found in zip(parts, each, strict=True) if not found) if not all(each) else parts[0]
    pickled = [f.name for f in sorted(bare.iterdir()) if f.suffix in (".bin", ".ckpt", ".pt", ".pth")]
    if pickled:
        raise BadInput(
            f"backbone '{shown(name)}': {bare.name} has its weights only in {pickled[0]}, a pickle, which can run any "
            f"code when it is opened; {_CONVERT.format(folder=path)}."
        )
    if not all(each):
        raise BadInput(f"backbone '{shown(name)}': {bare} has no weights in safetensors; fetch the model again.")
    have = (f"{p.name}: {' '.join(sorted(v or 'plain' for v in own))}" for p, own in zip(parts, each, strict=True))
    raise BadInput(
        f"backbone '{shown(name)}': its parts have no variant in common ({', '.join(have)}); fetch one variant of all."
    )
