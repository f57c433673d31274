"""Where units are computed: in this process, in several of this machine, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from ..errors import BadInput
from ..plan.choices import Choice
from ..storage.machine import before_work
from ..storage.store import Store
from ..wording import shown
from .cluster import check_address, ray_executor
from .events import OnEvent, Preparing, warning
from .jobs import AUTO, Bound, NumberOfJobs, most, settled
from .pool import Pool, Remote
from .scheduler import Executor, execute
from .session import Facts, Recipe, Session

if TYPE_CHECKING:
    from .opening import Opened


@dataclass(frozen=True)
class Placement:
    """Where units are computed: ``local`` in ``jobs`` processes (1: this one), or ``ray`` at ``address``.

    ``jobs`` may be ``auto``: :mod:`.jobs` chooses it, and ``why`` is its reason in a few words.
    """

    executor: str = "local"
    jobs: int | str = 1
    address: str | None = None
    why: str = ""

    def __post_init__(self) -> None:
        """Raise BadInput for values that do not fit together."""
        if self.executor not in ("local", "ray"):
            raise BadInput(f"--executor {self.executor}: choose local or ray.")
        object.__setattr__(self, "jobs", NumberOfJobs().check("--jobs", self.jobs))
        if self.executor == "ray" and self.jobs not in (1, AUTO):
            raise BadInput(
                f"--jobs {self.jobs}: only for --executor local; omit it, Ray starts as many processes as fit."
            )
        if self.executor == "local" and self.address is not None:
            raise BadInput(f"--address {shown(self.address)}: only for a Ray cluster; add --executor ray.")
        if self.executor == "ray":
            check_address(self.address)

    @property
    def local(self) -> bool:
        """Whether units are computed on this machine."""
        return self.executor == "local"

    def bounded(self, recipe: Recipe, methods: Sequence[Choice]) -> Placement:
        """With the most processes that this machine has room for, where their number is not given."""
        if self.jobs != AUTO or not self.local:
            return self
        bound = most(recipe.device, recipe.threads or 1, methods)
        return replace(self, jobs=bound.jobs, why=bound.why)

    def settled(self, facts: Facts, peak: int, units: int) -> Placement:
        """With the number of processes that suits the models and the work, where it is not given: see :mod:`.jobs`."""
        if not self.why or not isinstance(self.jobs, int):
            return self
        bound = settled(Bound(self.jobs, self.why), facts.device, facts.gpus, peak, units)
        return replace(self, jobs=bound.jobs, why=bound.why)


@contextmanager
def opened(recipe: Recipe, placement: Placement, on_event: OnEvent) -> Iterator[Session]:
    """A session, whose models are in this process where that computes the units, else in others, until the block ends.

    ``placement``: one that is :meth:`Placement.bounded`. What is wrong with suite, model or machine is raised here.
    """
    if placement.local and placement.jobs == 1:
        from .opening import open_session

        yield open_session(recipe, on_event)
        return
    on_event(Preparing("loading the model"))
    jobs = placement.jobs if isinstance(placement.jobs, int) and not placement.why else 1
    with Pool(recipe, jobs) as pool:
        facts = pool.ask(_facts, on_event)
        with before_work(recipe.home):
            store = Store(recipe.home / "units", warning(on_event))
        yield Remote(recipe, facts, store, warning(on_event), pool)


def _facts(opened: Opened, _: OnEvent) -> Facts:
    return opened.facts


@contextmanager
def placed(placement: Placement, session: Session) -> Iterator[Executor]:
    """The executor for a placement. Its processes, and the mark that the store is in use, last as long as the block."""
    with session.store.in_use():
        if placement.local:
            assert isinstance(placement.jobs, int)  # it is settled when the work is known
            apart = placement.jobs > 1 and not isinstance(session, Remote)
            pool = Pool(session.recipe, placement.jobs, gpus=session.facts.gpus) if apart else None
            with pool or session.workers(placement.jobs) as workers:
                yield partial(execute, workers)
        else:
            session.rest()
            with ray_executor(session.recipe, placement.address) as ray:
                yield ray
