"""The learner: a method made of one adapter and any consolidations. All built-in methods are learners."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..benchmark.errors import BadInput
from ..benchmark.models.backbone import Backbone, Params
from ..benchmark.plain_json import json_text
from ..benchmark.protocol import Pictures, Prompt, Question, Subject, Task, Watch
from .adapters.base import Adapter, Foldable, Mergeable, Scalable, Weighted
from .consolidations.base import Consolidation
from .inspection import inspect
from .options.learner import LearnerOptions
from .states import read_part, write_part, write_pieces
from .training import Phase, Step, prior_of, run_phase, single_examples, sources_of

T = TypeVar("T")
Part = tuple[Callable[..., T], tuple[Any, ...]]
"""What makes a part of a method, and its options, if it has any."""
_DEFAULT = LearnerOptions()


class Learner:
    """A method made of one adapter and any consolidations, applied in order."""

    def __init__(
        self,
        backbone: Backbone,
        seed: int,
        adapter: Adapter,
        consolidations: Sequence[Consolidation[Any]] = (),
        options: LearnerOptions = _DEFAULT,
    ) -> None:
        """``backbone`` is this learner's own copy, and ``adapter`` is built into it.

        Raises BadInput for parts that do not go together.
        """
        self.backbone, self.seed, self.adapter = backbone, seed, adapter
        self.consolidations, self.options = tuple(consolidations), options
        _check(adapter, self.consolidations)
        self.scales = isinstance(adapter, Scalable)  # whether sampling.strength has an effect
        self.known: dict[str, Subject] = {}
        self.loaded: Path | None = None

    # --- what the benchmark calls -----------------------------------------------------------------------------------

    def learn(self, task: Task, watch: Watch) -> dict[str, float]:
        """Learn the token and the adapter on L_denoise plus every penalty, then consolidate."""
        for consolidation in self.consolidations:
            consolidation.begin(self, task)
        rows = self._new_token(task)
        groups = [{"params": rows, "lr": self.options.token_rate}]
        if self.adapter.params:
            groups.append({"params": list(self.adapter.params.values()), "lr": self.options.rate})
        rehearsed = [pair for c in self.consolidations for pair in c.rehearsed(self)]
        updates = max((c.updates(task) for c in self.consolidations), default=task.steps)
        phase = Phase("learn", self.denoising, groups, updates, task.batch, rehearsed, keeps_prior=True)
        figures = self.optimise(task, phase, watch)
        figures |= changes(self.adapter.delta() if isinstance(self.adapter, Weighted) else {})
        for row in rows:
            row.requires_grad_(False)
        for consolidation in self.consolidations:
            figures |= consolidation.end(self, task, watch)
        return figures

    def inspect(self, task: Task, watch: Watch) -> dict[str, float]:
        """Scores of the diffusion classifier and Fisher information after a task, see :mod:`.inspection`."""
        return inspect(self, task, watch)

    def generate(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> Pictures:
        """Draw one picture per prompt; a consolidation may choose other adapter weights for its subjects."""
        pictures: dict[int, Pictures] = {}
        for rows, params in self._by_weights([prompt.subjects for prompt in prompts]):
            texts = [prompts[k].render(self.phrase) for k in rows]
            pictures |= dict(zip(rows, self.backbone.sample(texts, [seeds[k] for k in rows], *params), strict=True))
        return np.stack([pictures[k] for k in range(len(prompts))])

    def explain(self, pictures: Pictures, questions: Sequence[Question]) -> NDArray[np.float64]:
        """The noise error of each question, (n,), under the weights that its first subject is drawn with."""
        found = np.empty(len(questions))
        for rows, (params, *_) in self._by_weights([q.prompt.subjects[:1] for q in questions]):
            found[rows] = self.backbone.explain(pictures, [questions[k] for k in rows], self.phrase, params)
        return found

    def save(self, folder: Path) -> None:
        """Write adapter, tokens and consolidations as safetensors, and the list of what was learned as JSON."""
        write_part(folder, "adapter", self.adapter.state())
        tokens = self.backbone.tokens.items()
        write_part(folder, "tokens", {_row(token, k): v.detach() for token, own in tokens for k, v in enumerate(own)})
        for c in self.consolidations:
            if c.grows:
                write_pieces(folder, c.name, c.state(), self.loaded)
            else:
                write_part(folder, c.name, c.state())
        (folder / "learned.json").write_text(json_text([asdict(s) for s in self.known.values()]))

    def load(self, folder: Path) -> None:
        """Load what was saved in ``folder``; to be called once, on a new learner."""
        self.known = {s["name"]: Subject(**s) for s in json.loads((folder / "learned.json").read_text())}
        self.loaded = folder
        tokens, readers = read_part(folder, "tokens", self.backbone.device), len(self.backbone.readers)
        for token in map(_token, self.known.values()):
            for row in self.backbone.add_token(token, [tokens[_row(token, k)] for k in range(readers)]):
                row.requires_grad_(False)
        self.adapter.restore(read_part(folder, "adapter", self.backbone.device))
        for consolidation in self.consolidations:
            consolidation.restore(read_part(folder, consolidation.name, self.backbone.device))

    @property
    def keeps_pictures(self) -> bool:
        """Whether pictures of earlier concepts are kept."""
        return any(c.keeps_pictures for c in self.consolidations)

    def trainable(self) -> int:
        """The number of entries of the adapter and of one token."""
        trained = (*self.adapter.params.values(), *self.backbone.word_rows("a"))
        return sum(p.numel() for p in trained)

    # --- what consolidations use ------------------------------------------------------------------------------------

    def optimise(self, task: Task, phase: Phase, watch: Watch) -> dict[str, float]:
        """Run one phase of updates, see :func:`.training.run_phase`."""
        sources = sources_of(self, task, phase.rehearsed)
        streams = [stream for c in self.consolidations for stream in c.streams()]
        phase = replace(phase, streams=(*phase.streams, *streams))
        prior = prior_of(self, task) if phase.keeps_prior else None
        with self.backbone.keep_texts():
            return run_phase(self.backbone, sources, prior, task, phase, self.options.cooldown, watch)

    def penalties(self, step: Step) -> dict[str, Tensor]:
        """What the consolidations add to the loss of a step, by their names."""
        found = {c.name: c.penalty(self, step) for c in self.consolidations}
        return {name: penalty for name, penalty in found.items() if penalty is not None}

    def examples(self, task: Task, passes: int) -> Iterator[Step]:
        """Single pictures of a task, each ``passes`` times, see :func:`.training.single_examples`."""
        return single_examples(self, task, passes)

    def phrase(self, subject: Subject) -> str:
        """How a prompt names a subject: by its token once it is known, by its noun before."""
        if subject.name not in self.known:
            return subject.noun
        return f"{_token(subject)} {subject.noun}" if self.options.use_noun else _token(subject)

    def denoising(self, step: Step) -> dict[str, Tensor]:
        """L_denoise = ‖ε − ε_θ(x_t, prompt)‖² (mean over entries; of a v model, of v), and the penalties.

        The same for pictures of the class that are to be kept, as the term ``prior``.
        """
        terms = {"denoise": step.error(self.backbone.predict(step.noisy, step.t, step.prompts))}
        if (kept := step.prior) is not None:
            terms["prior"] = kept.error(self.backbone.predict(kept.noisy, kept.t, kept.prompts))
        return terms | self.penalties(step)

    def _new_token(self, task: Task) -> list[nn.Parameter]:
        """Add the token of a task: it starts as the embedding of the noun, or as noise of the table's own scale."""
        rows = self.backbone.word_rows(task.subject.noun)
        if not self.options.use_noun:
            draw = torch.Generator().manual_seed(task.seed)
            scales = [reader.table.weight.std().item() for reader in self.backbone.readers]
            rows = [scale * torch.randn(row.shape, generator=draw) for scale, row in zip(scales, rows, strict=True)]
        self.known[task.subject.name] = task.subject
        return self.backbone.add_token(_token(task.subject), rows)

    def _by_weights(self, asked: Sequence[tuple[Subject, ...]]) -> list[tuple[list[int], Sequence[Params | None]]]:
        """Groups of prompts (by index), given by their subjects, that are drawn with the same weights, and these."""
        weights = {subjects: self.override(subjects) for subjects in asked}
        groups: dict[tuple[int, ...], tuple[list[int], Sequence[Params | None]]] = {}
        for k, subjects in enumerate(asked):
            own = weights[subjects]
            groups.setdefault(tuple(map(id, own)), ([], self._scaled(own or [None])))[0].append(k)
        return list(groups.values())

    def _scaled(self, weights: Sequence[Params | None]) -> Sequence[Params | None]:
        """Weights that change the model as much as the suite asks for; all of the change by default."""
        strength, adapter = self.backbone.sampling.strength, self.adapter
        if strength == 1 or not isinstance(adapter, Scalable):
            return weights
        with torch.no_grad():
            return [adapter.scaled(strength, own) for own in weights]

    def override(self, subjects: Sequence[Subject]) -> Sequence[Params]:
        """The weights that a consolidation draws some subjects with; none where it leaves the present ones."""
        return next((own for c in self.consolidations if subjects and (own := c.override(self, subjects))), ())


def assemble(
    backbone: Backbone,
    seed: int,
    adapter: Part[Adapter],
    consolidations: Sequence[Part[Consolidation[Any]]],
    options: LearnerOptions,
) -> Learner:
    """A learner whose adapter and consolidations are made here; ``backbone`` must be its own copy."""
    own = [make(*given) for make, given in consolidations]
    make, given = adapter
    return Learner(backbone, seed, make(backbone, seed, *given), own, options)


def _check(adapter: Adapter, consolidations: Sequence[Consolidation[Any]]) -> None:
    """Raise BadInput for parts that do not go together."""
    for c in consolidations:
        if lacking := [_ability(capability) for capability in c.requires if not isinstance(adapter, capability)]:
            raise BadInput(
                f"{c.name} needs an adapter that {' and '.join(lacking)}; {type(adapter).__name__} does not. Choose "
                "another adapter."
            )
        for other in (o for o in consolidations if _folds(c) and o is not c and (_folds(o) or o.recalls)):
            why = "does so too" if _folds(other) else "needs the adapters of earlier tasks as they were"
            raise BadInput(f"{c.name} folds changes into the base weights, and {other.name} {why}; choose one of them.")


def _folds(consolidation: Consolidation[Any]) -> bool:
    """Whether a consolidation changes the base weights."""
    return Foldable in consolidation.requires or Mergeable in consolidation.requires


def _ability(capability: type) -> str:
    """What an adapter with a capability does: the first line of its docstring, as the end of a sentence."""
    first = (capability.__doc__ or f"is {capability.__name__}").splitlines()[0].rstrip(".")
    return first[0].lower() + first[1:]


def _token(subject: Subject) -> str:
    return f"<{subject.name}>"


def _row(token: str, reader: int) -> str:
    """The name of the embedding of a token for a reader, by its number, in the file of tokens."""
    return f"{token}/{reader + 1}" if reader else token


def changes(delta: Mapping[str, Tensor]) -> dict[str, float]:
    """Mean |ΔW| of each changed matrix as ``change.<layer>``, and over all their entries as ``change``."""
    sums = {name: w.detach().abs().sum().item() for name, w in delta.items()}
    entries = {name: w.numel() for name, w in delta.items()}
    each = {f"change.{name}": total / entries[name] for name, total in sums.items()}
    return {"change": sum(sums.values()) / max(1, sum(entries.values())), **each}
