"""Where units are computed: in this process, in several of this machine, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from ..errors import BadInput
from ..numbers import JOBS
from ..wording import shown
from .cluster import check_address, ray_executor
from .pool import Pool
from .scheduler import Executor, execute
from .session import Session
from .worker import Here


@dataclass(frozen=True)
class Placement:
    """Where units are computed: ``local`` in ``jobs`` processes (1: this one), or ``ray`` at ``address``."""

    executor: str = "local"
    jobs: int = 1
    address: str | None = None

    def __post_init__(self) -> None:
        """Raise BadInput for values that do not fit together."""
        if self.executor not in ("local", "ray"):
            raise BadInput(f"--executor {self.executor}: choose local or ray.")
        JOBS.check("--jobs", self.jobs)
        if self.executor == "ray" and self.jobs > 1:
            raise BadInput(
                f"--jobs {self.jobs}: only for --executor local; omit it, Ray starts as many processes as fit."
            )
        if self.executor == "local" and self.address is not None:
            raise BadInput(f"--address {shown(self.address)}: only for a Ray cluster; add --executor ray.")
        if self.executor == "ray":
            check_address(self.address)

    @property
    def here(self) -> bool:
        """Whether this process computes the units itself."""
        return self.executor == "local" and self.jobs == 1


@contextmanager
def placed(placement: Placement, session: Session) -> Iterator[Executor]:
    """The executor for a placement. Its processes, and the mark that the store is in use, last as long as the block."""
    with session.store.in_use():
        if placement.executor == "ray":
            with ray_executor(session.recipe, placement.address) as ray:
                yield ray
        elif placement.here:
            yield partial(execute, Here(session.runner))
        else:
            with Pool(session.recipe, placement.jobs) as pool:
                yield partial(execute, pool)
