"""The fingerprint of options: methods with values for which a mistake shows that the defaults hide."""

from __future__ import annotations

from collections.abc import Mapping

from ...methods.registry import choose
from ..fingerprints.method import write_run
from ..fingerprints.models import KINDS
from ..fingerprints.quantities import Book

VARIANTS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "decaying importance": ("ewc", {"ewc.passes": "1", "ewc.decay": "0.5", "lora.rank": "4", "lora.alpha": "2"}),
    "plain scores": ("ewc-dc", {"ewc.passes": "1", "ewc.plain": "true", "ewc.candidates": "2", "ewc.generic": "thing"}),
    "weighted distillation": (
        "dsc",
        {
            "dsc.iterations": "2",
            "dsc.batch": "2",
            "dsc.score_weight": "0.5",
            "dsc.noise_weight": "2",
            "dsc.generic": "thing",
            "learner.use_noun": "false",
        },
    ),
    "orthogonal merge": ("lora-merge", {"merge.rule": "orthogonal", "lora.rank": "4"}),
    "greatest merge": ("lora-merge", {"merge.rule": "greatest", "learner.cooldown": "0"}),
    "another projection": ("vera", {"vera.projection": "1", "vera.first": "0.2", "vera.rank": "8"}),
}
"""Variants by name: a method and its settings."""


def write_variants(book: Book) -> None:
    """Write down what each variant computes on the smallest model."""
    for name, (method, settings) in VARIANTS.items():
        with book.at(name):
            write_run(choose(method, settings)[0], KINDS[0], book)
