"""A method that learns nothing: it draws with adapters that other programs trained, one more after each task."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..benchmark.hashing import sha256
from ..benchmark.models.foreign import add_adapter, read_tokens, use
from ..benchmark.models.latent import LatentModel
from ..benchmark.plain_json import json_text
from ..benchmark.protocol import Pictures, Prompt, Subject, Task, Watch, shares_weights
from ..benchmark.sources import code_digest
from .registry import Chosen

_LEARNED = "learned.json"


@dataclass(frozen=True)
class Source:
    """The adapter of a concept, the words that stand for the concept in prompts, and a file of its token, if any."""

    adapter: Path
    phrase: str
    tokens: Path | None = None


class Foreign:
    """Adapters by concept; after task i it draws with the sum of those of the first i concepts."""

    scales = True

    def __init__(self, backbone: Any, seed: int, sources: Mapping[str, Source]) -> None:
        """``backbone`` is this method's own copy."""
        self.backbone: LatentModel = backbone
        self.sources, self.known = sources, dict[str, Subject]()
        self.phrases: dict[str, str] = {}
        self.loaded: list[str] = []
        self.numbers = 0

    def learn(self, task: Task, watch: Watch) -> dict[str, float]:
        """Add the adapter of the concept of a task."""
        self._add(task.subject)
        return {}

    def _add(self, subject: Subject) -> None:
        source = self.sources[subject.name]
        words = [source.phrase]
        if source.tokens is not None:
            names = []
            for k, rows in enumerate(read_tokens(source.tokens, len(self.backbone.readers))):
                names.append(f"<{subject.name}>" if not k else f"<{subject.name}>_{k}")
                for row in self.backbone.add_token(names[-1], rows):
                    row.requires_grad_(False)
            words = [" ".join(names), *words]
        self.phrases[subject.name] = " ".join(words)
        if str(source.adapter) not in self.loaded:
            self.numbers = add_adapter(self.backbone, source.adapter, f"adapter{len(self.loaded)}")
            self.loaded.append(str(source.adapter))
        self.known[subject.name] = subject
        use(self.backbone, [f"adapter{k}" for k in range(len(self.loaded))], self.backbone.sampling.strength)

    def phrase(self, subject: Subject) -> str:
        """How a prompt names a subject."""
        return self.phrases.get(subject.name, subject.noun)

    def generate(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> Pictures:
        """Draw one picture per prompt."""
        return self.backbone.sample([prompt.render(self.phrase) for prompt in prompts], seeds)

    def save(self, folder: Path) -> None:
        """Write which concepts were added; the adapters stay where they are."""
        (folder / _LEARNED).write_text(json_text([asdict(s) for s in self.known.values()]))

    def load(self, folder: Path) -> None:
        """Add them again."""
        for s in json.loads((folder / _LEARNED).read_text()):
            self._add(Subject(**s))

    def trainable(self) -> int:
        """The numbers of the adapter that was added last."""
        return self.numbers


@shares_weights
def foreign(sources: Mapping[str, Source], backbone: Any, seed: int) -> Foreign:
    """The method in ``backbone``, its own copy, to which it adds layers."""
    return Foreign(backbone, seed, sources)


def foreign_choice(name: str, sources: Mapping[str, Source]) -> Chosen:
    """The method of some adapters: files, checksums and phrases are its options."""
    options = {
        "adapters": {
            concept: {
                "file": source.adapter.name,
                "sha256": _content(source.adapter),
                "phrase": source.phrase,
                **({"token": _content(source.tokens)} if source.tokens else {}),
            }
            for concept, source in sources.items()
        }
    }
    return Chosen(name, options, partial(foreign, dict(sources)), code_digest([__name__]))


def _content(path: Path) -> str:
    files = [path] if path.is_file() else sorted(f for f in path.iterdir() if f.is_file())
    return "+".join(sha256(f)[:16] for f in files)
