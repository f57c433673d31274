"""The parts of a pipeline from its settings alone, in PyTorch's fake tensors: these have shapes and no content."""

from __future__ import annotations

import json
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from torch._subclasses.fake_tensor import FakeTensorMode

from .folders import INDEX, PipelineFolder


def outline(folder: PipelineFolder, mode: FakeTensorMode) -> Any:
    """What has the parts of the pipeline in a folder as attributes, and its settings as ``config``.

    Networks are made in ``mode``; schedulers and tokenizers are whole.
    """
    index = json.loads((folder.path / INDEX).read_text(encoding="utf-8"))
    found = SimpleNamespace(config=SimpleNamespace(**{k: v for k, v in index.items() if not isinstance(v, list)}))
    for part in folder.parts:
        library, kind = index[part]
        make, place = getattr(import_module(library), kind), str(folder.path / part)
        if part.startswith(("scheduler", "tokenizer")):
            setattr(found, part, make.from_pretrained(place, local_files_only=True))
        else:
            setattr(found, part, _network(make, place, mode))
    for part in folder.left_out:
        setattr(found, part, None)
    return found


def _network(kind: Any, place: str, mode: FakeTensorMode) -> Any:
    """A network of diffusers or transformers, with the random weights that it is made with, which nothing holds."""
    if hasattr(kind, "config_class") and kind.config_class is not None:  # of transformers
        config = kind.config_class.from_pretrained(place, local_files_only=True)
        with mode:
            return kind(config)
    config = kind.load_config(place, local_files_only=True)
    with mode:
        return kind.from_config(config)
