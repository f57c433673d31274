"""Units as tasks of a Ray cluster: with their dependencies, on GPUs where there are any, tried again when a node dies.

Every node must see the same ``CPBENCH_HOME`` (a shared file system), and have cpbench installed.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .errors import BadInput
from .execute import Ended, Outcome, Tell
from .session import Executor, Recipe
from .units import Unit

_RETRIES = 3
_shops: dict[str, Any] = {}  # of this worker process: its models, kept from task to task


@contextmanager
def ray_executor(recipe: Recipe, address: str | None) -> Iterator[Executor]:
    """Does units on the cluster at ``address``; on one of this machine alone where None."""
    try:
        import ray
    except ImportError:
        raise BadInput("--executor ray needs Ray; install it with pip install 'cpbench[ray]'.") from None
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise BadInput(f"--address {address}: no Ray cluster answers ({str(error).splitlines()[0]}).") from None
    try:
        yield lambda units, tell, deadline: _execute(units, recipe, tell, deadline)
    finally:
        ray.shutdown()


def _execute(units: Mapping[str, Unit], recipe: Recipe, tell: Tell, deadline: float) -> Outcome:
    """Submit all units, each with those that it needs, and take note of them as they end."""
    import ray

    resources: Mapping[str, float] = ray.cluster_resources()
    gpus = 1.0 if recipe.device in ("auto", "cuda") and resources.get("GPU") else 0.0
    do = ray.remote(_do).options(num_cpus=recipe.threads or 1, num_gpus=gpus, max_retries=_RETRIES)
    end = math.inf if deadline == math.inf else time.time() + deadline - time.monotonic()
    shared, outcome = ray.put(recipe), Outcome(left=len(units))
    results: dict[str, Any] = {}
    for key, unit in units.items():
        results[key] = do.remote(shared, unit, end, *(results[n] for n in unit.needs if n in results))
    waiting = {ref: key for key, ref in results.items()}
    while waiting:
        (ref,), _ = ray.wait(list(waiting), num_returns=1)
        ended = _ended(units[waiting.pop(ref)], ref)
        if ended is not None:
            outcome.note(ended)
            tell(ended)
    return outcome


def _ended(unit: Unit, ref: Any) -> Ended | None:
    """How a task ended; a worker that died again and again is a failure of its unit."""
    import ray

    try:
        ended: Ended | None = ray.get(ref)
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[0]
        return Ended(unit, 0.0, "failed", f"{unit.title}: its worker died {_RETRIES + 1} times ({reason}).")
    return ended


def _do(recipe: Recipe, unit: Unit, end: float, *needs: Ended | None) -> Ended | None:
    """Do one unit on a worker, unless one that it needs failed; None where the time is over."""
    from .workshop import Workshop

    for need in needs:
        if need is None or need.error:
            return need and Ended(unit, 0.0, "failed", need.error)
    shop = _shops.setdefault(repr(recipe), Workshop(recipe))
    while time.time() < end:
        ended: Ended = shop.do(unit, lambda event: None)
        if ended.fate != "busy":
            return ended
        time.sleep(0.5)
    return None
