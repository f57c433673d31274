"""Units as tasks of a Ray cluster: with their dependencies, on GPUs where there are any, tried again when a node dies.

Every node must see the same ``CPBENCH_HOME`` (a shared file system), and have cpbench installed.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from .errors import BadInput, FailedRun
from .execute import Ended, Outcome, Tell
from .session import Executor, Recipe
from .stopping import deaf, uninterrupted
from .units import Unit

_RETRIES = 3
_PATIENCE = 20.0  # seconds that the driver has to leave the cluster
_shops: dict[str, Any] = {}  # of this worker process: its models, kept from task to task


@contextmanager
def ray_executor(recipe: Recipe, address: str | None) -> Iterator[Executor]:
    """Does units on the cluster at ``address``; on one of this machine alone where None.

    Ray's driver lives in a process of its own: when it crashes at its end, as it does now and then after a node was
    lost, nothing of the run does.
    """
    if find_spec("ray") is None:
        raise BadInput("--executor ray needs Ray; install it with pip install 'cpbench[ray]'.")
    spawn = get_context("spawn")
    pipe, theirs = spawn.Pipe()
    driver = spawn.Process(target=_drive, args=(theirs, recipe, address), name="cpbench-ray")
    with uninterrupted():
        driver.start()
    theirs.close()
    try:
        refused: BadInput | None = _heard(pipe)
        if refused is not None:
            raise refused
        yield lambda units, tell, deadline: _execute(units, pipe, tell, deadline)
    finally:
        pipe.close()  # by which the driver knows that it may end
        driver.join(_PATIENCE)
        driver.kill()


def _execute(units: Mapping[str, Unit], pipe: Connection, tell: Tell, deadline: float) -> Outcome:
    """Hand all units to the driver, and take note of them as they end."""
    outcome = Outcome(left=len(units))
    pipe.send((dict(units), math.inf if deadline == math.inf else time.time() + deadline - time.monotonic()))
    while (ended := _heard(pipe)) is not None:
        outcome.note(ended)
        tell(ended)
    return outcome


def _heard(pipe: Connection) -> Any:
    try:
        return pipe.recv()
    except (EOFError, OSError):
        raise FailedRun("The driver of Ray ended unexpectedly; the same command continues where it was.") from None


def _drive(pipe: Connection, recipe: Recipe, address: str | None) -> None:
    """The driver: connects, then does what comes through the pipe until that is closed."""
    import ray

    deaf()  # Ctrl-C is for the process that waits for this one
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        hint = "if the cluster asks for a token, set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN, as where it was started"
        pipe.send(BadInput(f"--address {address}: no Ray cluster answers ({reason}); {hint}."))
        return
    with suppress(EOFError, OSError):
        pipe.send(None)
        while True:
            units, end = pipe.recv()
            for ended in _submitted(units, recipe, end):
                pipe.send(ended)
            pipe.send(None)
    ray.shutdown()


def _submitted(units: Mapping[str, Unit], recipe: Recipe, end: float) -> Iterator[Ended]:
    """Submit all units, each with those that it needs; yield them as they end, but for those that time was over for."""
    import ray

    resources: Mapping[str, float] = ray.cluster_resources()
    gpus = 1.0 if recipe.device in ("auto", "cuda") and resources.get("GPU") else 0.0
    do = ray.remote(_do).options(num_cpus=recipe.threads or 1, num_gpus=gpus, max_retries=_RETRIES)
    shared = ray.put(recipe)
    results: dict[str, Any] = {}
    for key, unit in units.items():
        results[key] = do.remote(shared, unit, end, *(results[n] for n in unit.needs if n in results))
    waiting = {ref: key for key, ref in results.items()}
    while waiting:
        (ref,), _ = ray.wait(list(waiting), num_returns=1)
        ended = _ended(units[waiting.pop(ref)], ref)
        if ended is not None:
            yield ended


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
