"""Units as tasks of a Ray cluster: with their dependencies, on GPUs if there are any, and retried if a node dies.

Every node must see the same ``CPBENCH_HOME`` (a shared file system), and have cpbench installed.
"""

from __future__ import annotations

import logging
import math
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import astuple
from importlib.util import find_spec
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from ..errors import BadInput, FailedRun
from ..numbers import Range
from ..plan.units import Unit
from ..protocol import Tick
from ..wording import counted, shown
from .events import PATIENCE, Awaited, Ended, Event, OnEvent, Started, Ticked, UnitEvent
from .scheduler import Executor, Outcome
from .session import Recipe
from .signals import deaf, uninterrupted

if TYPE_CHECKING:
    from .serving import Worker

_PORT = Range(1, 65535)
_RETRIES = 3
_PATIENCE = 20.0  # seconds that the driver has to disconnect from the cluster
_KNOCK = 10.0  # seconds that the head of a cluster has to answer
_PAUSE = 0.5  # seconds between two checks for messages of workers
_workers: dict[str, Worker] = {}  # by recipe, in a worker process: its models stay loaded from task to task


@contextmanager
def ray_executor(recipe: Recipe, address: str | None) -> Iterator[Executor]:
    """Compute units on the cluster at ``address``; None starts one on this machine.

    Ray's driver has a process of its own, because it sometimes crashes at its end after a node was lost; the run does
    not crash with it.
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
        yield lambda units, on_event, deadline: _execute(units, pipe, on_event, deadline)
    finally:
        pipe.close()  # this makes the driver end
        driver.join(_PATIENCE)
        driver.kill()


def _execute(units: Mapping[str, Unit], pipe: Connection, on_event: OnEvent, deadline: float) -> Outcome:
    """Send all units to the driver, and count them as they end."""
    outcome = Outcome(left=len(units))
    pipe.send((dict(units), math.inf if deadline == math.inf else time.time() + deadline - time.monotonic()))
    while (event := _heard(pipe)) is not None:
        if isinstance(event, Ended):
            outcome.note(event)
        on_event(event)
    return outcome


def _heard(pipe: Connection) -> Any:
    try:
        return pipe.recv()
    except (EOFError, OSError):
        raise FailedRun("Ray's driver ended unexpectedly; the same command continues where it stopped.") from None


def _drive(pipe: Connection, recipe: Recipe, address: str | None) -> None:
    """The driver: connects to the cluster, then computes the units that come through the pipe, until that is closed."""
    import ray

    deaf()  # the parent process answers Ctrl-C
    try:
        _knock(_where(address))
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
    except (OSError, ValueError, RuntimeError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        hint = "if the cluster needs a token, set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN as where it was started"
        where = _where(address)
        what = f"--address {where}: no Ray cluster answers" if where else "Ray cannot be started on this machine"
        pipe.send(BadInput(f"{what} ({reason}); {hint}."))
        return
    with suppress(EOFError, OSError):
        pipe.send(None)
        news = _News()
        while True:
            units, end = pipe.recv()
            for event in _submitted(units, recipe, news, end) if units else ():
                pipe.send(event)
            pipe.send(None)
    ray.shutdown()


def _where(address: str | None) -> str | None:
    """The address that Ray will use: without a given one, that of its environment variable."""
    return os.environ.get("RAY_ADDRESS", address) if address in (None, "auto") else address


def check_address(given: str | None) -> None:
    """Raise BadInput for an address, given or of Ray's environment variable, whose port is none."""
    address, name = _where(given), "--address" if given not in (None, "auto") else "RAY_ADDRESS"
    _, colon, port = (address or "").rpartition(":")
    if colon and not port.startswith("//") and not port.endswith("]"):
        try:
            _PORT.read(port, int)
        except ValueError:
            raise BadInput(f"{name} {shown(address)}: its port must be {_PORT.wanted(int)}.") from None


def _knock(address: str | None) -> None:
    """Raise OSError if nothing listens at a host and port: Ray itself would retry for minutes."""
    host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK).close()


def _submitted(units: Mapping[str, Unit], recipe: Recipe, news: _News, end: float) -> Iterator[Event]:
    """Submit all units, each with those that it needs, and yield their events.

    Units that were not started before ``end`` yield nothing.
    """
    import ray

    resources: Mapping[str, float] = ray.cluster_resources()
    gpus = 1.0 if recipe.device in ("auto", "cuda") and resources.get("GPU") else 0.0
    cpus, shared, results = recipe.threads or 1, ray.put(recipe), dict[str, Any]()
    do = ray.remote(_do).options(num_cpus=cpus, num_gpus=gpus, max_retries=_RETRIES)
    for key, unit in units.items():
        results[key] = do.remote(shared, unit, end, news.queue, *(results[n] for n in unit.needs if n in results))
    waiting, left, warned = {ref: key for key, ref in results.items()}, dict(units), False
    while waiting:
        done, _ = ray.wait(list(waiting), num_returns=1, timeout=_PAUSE)
        yield from news.read(left)
        for ref in done:
            ended = _ended(left.pop(waiting.pop(ref)), ref)
            if ended is not None:
                yield ended
        if not done and not any(_has_room(node, cpus, gpus) for node in ray.nodes()):
            if time.time() >= end:  # no node is left that could report it
                return
            if not warned:
                needed = f"{counted(cpus, 'CPU')} (--threads)" + (" and a GPU" if gpus else "")
                yield Awaited(next(iter(left.values())), f"the cluster has no node with {needed}.")
            warned = True


def _has_room(node: Mapping[str, Any], cpus: float, gpus: float) -> bool:
    has = node["Resources"]
    return bool(node["Alive"]) and has.get("CPU", 0) >= cpus and has.get("GPU", 0) >= gpus


class _News:
    """Progress of workers, as plain data in a queue on the node of the driver.

    There the queue survives the death of any other node, and plain data needs no imports. Messages may be lost.
    """

    def __init__(self) -> None:
        import ray
        from ray.util.queue import Queue
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self.queue = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})

    def read(self, units: Mapping[str, Unit]) -> list[UnitEvent]:
        """The events of these units since the last call."""
        import ray

        try:
            messages = self.queue.get_nowait_batch(self.queue.qsize())
        except ray.exceptions.RayError:
            return []
        return [_event(units[key], detail) for key, detail in messages if key in units]


def _plain(event: UnitEvent) -> tuple[str, Any]:
    """An event as plain data: the key of its unit, and None for its start, its tick, or the process it waits for."""
    match event:
        case Ticked(unit, tick):
            return unit.key, astuple(tick)
        case Awaited(unit, who):
            return unit.key, who
    return event.unit.key, None


def _event(unit: Unit, detail: Any) -> UnitEvent:
    """The event that :func:`_plain` turned into plain data."""
    if detail is None:
        return Started(unit)
    return Awaited(unit, detail) if isinstance(detail, str) else Ticked(unit, Tick(*detail))


def _ended(unit: Unit, ref: Any) -> Ended | None:
    """How a task ended; a unit whose worker died at every attempt has failed."""
    import ray

    try:
        ended: Ended | None = ray.get(ref)
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[0]
        return Ended(unit, 0.0, "failed", f"{unit.title}: its worker died {_RETRIES + 1} times ({reason}).")
    return ended


def _do(recipe: Recipe, unit: Unit, end: float, queue: Any, *needs: Ended | None) -> Ended | None:
    """Compute a unit on a worker, unless one that it needs failed; None if it was not started before ``end``.

    ``queue``: the queue of Ray that takes progress; its messages may be lost, so nothing waits for them.
    """
    from .serving import Worker
    from .worker import Throttle

    for need in needs:
        if need is None or need.error:
            return need and Ended(unit, 0.0, "failed", need.error)
    if not (recipe.home / "units").is_dir():
        where = f"CPBENCH_HOME, {recipe.home}, does not exist on {socket.gethostname()}"
        return Ended(unit, 0.0, "refused", f"{where}: all nodes of a cluster must share it.")
    worker = _workers.setdefault(repr(recipe), Worker(recipe))
    on_event = Throttle(lambda event: queue.actor.put_nowait.remote(_plain(event)), _PAUSE)
    begun, reported = time.monotonic(), False
    while time.time() < end:
        ended = worker.do(unit, on_event)
        if ended.fate != "busy":
            return ended
        if not reported and time.monotonic() - begun >= PATIENCE:
            on_event(Awaited(unit, str(ended.error)))
            reported = True
        time.sleep(_PAUSE)
    return None
