"""``cpbench.export``: a trained state as files of other programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from torch import Tensor

from ...methods.learner import Learner
from ...methods.portable import drawn
from ..errors import BadInput
from ..export.adapter import FORMATS, by_part
from ..export.card import Exported, card
from ..export.merged import base_pipeline, write_merged
from ..export.tokens import write_tokens
from ..models.backbone import Backbone
from ..models.foreign import pipeline_of
from ..models.low_rank import LowRank, low_rank
from ..models.published import PUBLISHED
from ..numbers import Choice, Range
from ..protocol import Method, Subject
from ..ranged import in_range
from ..records.reading import OnFault, unheard
from ..records.result import Result
from ..storage.files import whole_folder
from ..suite.spec import Suite
from .arguments import TaskNumber, Where
from .runs import suite_of_run, task_of, the_run
from .states import trained

Rank = Annotated[int, Range(1, 100_000)]
Changes = Mapping[str, LowRank | Tensor]
EVERY = Choice((*FORMATS, "merged"))
"""The formats."""


@dataclass(frozen=True)
class Export:
    """What was written: the folder, its files by their names in it, and what its README tells."""

    folder: Path
    files: tuple[str, ...]
    what: Exported


@dataclass(frozen=True)
class _State:
    """What a state draws with: changes by the name of an adapter (empty: of all concepts), tokens, and a phrase."""

    changes: Mapping[str, Changes]
    tokens: Mapping[str, Sequence[Tensor]]
    phrase: str


def export(
    run: str,
    *,
    task: TaskNumber | None = None,
    form: Annotated[str, EVERY] = "diffusers",
    rank: Rank | None = None,
    concept: str | None = None,
    suite: str | Path | Suite | None = None,
    results: Where = None,
    out: str | Path | None = None,
    on_fault: OnFault = unheard,
) -> Export:
    """Write the state of a run after a task for another program, with a README that shows how to load it.

    run: the id of a record, or its first characters. task: the last one by default; 0 is the base model. form:
    ``diffusers``, ``peft`` or ``kohya`` write low-rank changes of weights and a file per token; ``merged`` writes a
    whole pipeline. rank: cut the changes to this rank; by default they are exact. concept: of a method with an adapter
    per concept, only this one. suite: needed if this machine does not know that of the run. results: a folder of
    records or several, by default ``./runs`` and the shipped ones. out: a new folder, by default
    ``export/<method>-<run>-task<N>-<form>``.

    Raises BadInput for a run whose states are not in the store, and for what a format cannot hold.
    """
    task, rank, form = in_range(export, task=task, rank=rank, form=form)
    result = the_run(run, results, on_fault)
    task, spec = task_of(result, task), suite_of_run(result, suite)
    where = (
        Path(out) if out is not None else Path("export", f"{result.run.method}-{result.run.id[:8]}-task{task}-{form}")
    )
    model, method = trained(result, task, spec.sampling, on_fault)
    state = _state_of(method, model, result, spec, concept)
    if form == "merged" and len(state.changes) > 1:
        raise BadInput(
            f"--format merged: {result.run.method} has an adapter per concept ({', '.join(state.changes)}); choose one "
            "with --concept."
        )
    cut, error = _cut(state.changes, rank, form)
    parts = [part for layers in cut.values() for part in by_part(layers, model.prefix)]
    what = Exported(
        result.run, task, form, _address(model.name), _pipeline(model), tuple(dict.fromkeys(parts)),
        tuple(name for name, layers in cut.items() if layers), tuple(state.tokens), state.phrase, spec.licence,
        rank, error, _breaks_pooling(model),
    )  # fmt: skip
    with whole_folder(where) as folder:
        _write(what, cut, state.tokens, model, folder)
        (folder / "README.md").write_text(card(what), encoding="utf-8")
    return Export(where, tuple(sorted(str(f.relative_to(where)) for f in where.rglob("*") if f.is_file())), what)


def _state_of(method: Method | None, model: Backbone, result: Result, suite: Suite, concept: str | None) -> _State:
    """What a method draws with; raises BadInput for one of another package, and for a concept without an adapter."""
    if method is None:
        return _State({}, {}, next(c.noun for c in suite.concepts))
    if not isinstance(method, Learner):
        raise BadInput(f"method '{result.run.method}' is of another package; only methods of cpbench can be exported.")
    groups, known = drawn(method), method.known
    if concept is not None:
        groups = [group for group in groups if concept in group.concepts and group.concepts != tuple(known)]
        if not groups:
            raise BadInput(
                f"--concept {concept}: {result.run.method} has no adapter of it alone after task {len(known)}; leave "
                "--concept out."
            )
        known = {name: known[name] for name in groups[0].concepts}
    alone = len(groups) == 1
    rows = {token: list(own) for token, own in method.backbone.tokens.items() if token.strip("<>") in known}
    first: Subject = next(iter(known.values()))
    changes = {"" if alone else "+".join(group.concepts): group.layers for group in groups}
    return _State(changes, rows, method.phrase(first))


def _cut(
    changes: Mapping[str, Changes], rank: int | None, form: str
) -> tuple[dict[str, dict[str, LowRank | Tensor]], float]:
    """The changes in the form that is written, and the largest relative error of a layer that was cut."""
    whole = form == "merged" and rank is None
    found = {
        name: {layer: w if whole else _factors(w, rank) for layer, w in layers.items()}
        for name, layers in changes.items()
    }
    pairs = [(w, found[name][layer]) for name, layers in changes.items() for layer, w in layers.items()]
    return found, max((_error(*pair) for pair in pairs), default=0.0) if rank else 0.0


def _factors(w: LowRank | Tensor, rank: int | None) -> LowRank:
    if isinstance(w, LowRank):
        return w if rank is None or w.rank <= rank else low_rank(w.change, rank)
    return low_rank(w, rank)


def _error(whole: LowRank | Tensor, own: LowRank | Tensor) -> float:
    """‖ΔW − ΔW'‖ / ‖ΔW‖, 0 where there is no change."""
    a, b = (w.change.cpu() if isinstance(w, LowRank) else w.detach().cpu() for w in (whole, own))
    return float((a - b).norm() / a.norm()) if a.any() else 0.0


def _write(
    what: Exported,
    changes: Mapping[str, Mapping[str, LowRank | Tensor]],
    tokens: Mapping[str, Sequence[Tensor]],
    model: Backbone,
    folder: Path,
) -> None:
    if what.form == "merged":
        layers = next(iter(changes.values()), {})
        write_merged(base_pipeline(model.name), layers, tokens, folder)
        return
    write_tokens(tokens, folder)
    for name, layers in changes.items():
        if own := {layer: w for layer, w in layers.items() if isinstance(w, LowRank)}:
            FORMATS[what.form](own, model.prefix, folder, name)


def _pipeline(model: Backbone) -> str:
    """The class of the pipeline in diffusers; raises BadInput where that loads no tokens."""
    if (name := pipeline_of(model)) is None:
        kind = type(model).__name__
        raise BadInput(f"{model.name} cannot be exported: diffusers has no way to load new tokens into {kind}.")
    return name


def _address(name: str) -> str:
    """A backbone as ``from_pretrained`` takes it."""
    return PUBLISHED[name].repository if name in PUBLISHED else name


def _breaks_pooling(model: Backbone) -> bool:
    """Whether diffusers would take a new token for the end of a prompt, see :meth:`.models.reader.Reader.pooled`."""
    return getattr(model.readers[-1].encoder.config, "eos_token_id", None) == 2
