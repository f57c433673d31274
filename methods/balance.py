"""The balance of a loss of several terms: how strongly each term pulls at the weights, and in which direction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

EVERY = 20
"""The balance is taken at every 20th update of a phase, and at the last: it costs one backward pass per term."""


def balance(terms: Mapping[str, Tensor], params: Sequence[Tensor], scale: float = 1.0) -> dict[str, Tensor]:
    """The norm of the gradient of each term, ``norm.<term>``, and its cosine to that of the first, ``cosine.<term>``.

    Over the parameters that all terms depend on, as scalars; a gradient of zero has no cosine. Terms without a gradient
    are left out, and nothing is found of fewer than two. The graph is kept. ``scale``: what terms are multiplied by
    before their gradients are taken, and these divided by: in half precision, small ones would become zero.
    """
    pulling = {name: term for name, term in terms.items() if term.requires_grad}
    if len(pulling) < 2:
        return {}
    found = {
        name: torch.autograd.grad(term if scale == 1 else scale * term, params, retain_graph=True, allow_unused=True)
        for name, term in pulling.items()
    }
    shared = [k for k in range(len(params)) if all(own[k] is not None for own in found.values())]
    if not shared:
        return {}
    flat = {name: torch.cat([own[k].flatten() for k in shared]) for name, own in found.items()}
    return balance_of(flat if scale == 1 else {name: g / scale for name, g in flat.items()})


def balance_of(gradients: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``norm.<term>`` and ``cosine.<term>`` of the gradients (p,) by term, see :func:`balance`."""
    (_, first), *others = gradients.items()
    cosines = {name: g @ first / (g.norm() * first.norm()) for name, g in others}
    return {f"norm.{name}": g.norm() for name, g in gradients.items()} | {
        f"cosine.{name}": c for name, c in cosines.items() if c.isfinite()
    }


def summary(phase: str, found: Sequence[Mapping[str, Tensor]]) -> dict[str, float]:
    """Figures of the balances of a phase, by ``gradient.<phase>.…``; none where there were none.

    ``norm.<term>`` and ``cosine.<term>`` are means over the updates that have them, ``first.<term>`` and
    ``last.<term>`` are the norms at the first and the last update.
    """
    keys = dict.fromkeys(key for one in found for key in one)
    each = {key: torch.stack([one[key] for one in found if key in one]) for key in keys}
    figures = {f"gradient.{phase}.{key}": values.mean().item() for key, values in each.items()}
    for key, values in each.items():
        kind, _, term = key.partition(".")
        if kind == "norm":
            figures |= {f"gradient.{phase}.{end}.{term}": values[k].item() for end, k in (("first", 0), ("last", -1))}
    return figures
