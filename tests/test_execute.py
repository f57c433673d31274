"""Units in topological order: who waits for whom, and what an error, a deadline or another process costs."""

import errno
import math
from dataclasses import dataclass, field

import pytest

from cpbench.benchmark.errors import BadInput, FailedRun
from cpbench.benchmark.run.events import Awaited, Ended
from cpbench.benchmark.run.scheduler import execute
from cpbench.benchmark.run.worker import attempt
from cpbench.benchmark.storage.store import Store


@dataclass(frozen=True)
class Unit:
    key: str
    needs: tuple[str, ...] = ()
    title: str = ""


@dataclass
class Workers:
    """Computes nothing, in the given number of places; units end in the order of their start, with given ``fates``."""

    places: int = 1
    fates: dict = field(default_factory=dict)
    under_way: list = field(default_factory=list)
    log: list = field(default_factory=list)

    def free(self):
        return self.places - len(self.under_way)

    def start(self, unit, on_event):
        self.under_way.append(unit)
        self.log.append(unit.key)

    def finished(self):
        unit = self.under_way.pop(0)
        fates = self.fates.get(unit.key, [])
        fate = fates.pop(0) if fates else "done"
        return [Ended(unit, 0.0, fate, None if fate == "done" else f"{unit.key} {fate}")]


def do(units, hands, deadline=math.inf):
    events = []
    outcome = execute(hands, {u.key: u for u in units}, events.append, deadline)
    return outcome, [(e.unit.key, e.fate) for e in events]


CHAIN = [Unit("a"), Unit("b", ("a",)), Unit("c", ("b",)), Unit("x"), Unit("y", ("x", "b"))]


def test_units_are_begun_in_their_order_as_soon_as_what_they_need_is_done():
    hands = Workers()
    outcome, ended = do(CHAIN, hands)
    assert hands.log == ["a", "b", "c", "x", "y"]
    assert outcome.left == 0 and not outcome.errors and len(ended) == 5


def test_no_unit_is_begun_before_what_it_needs_however_many_places_there_are():
    hands = Workers(places=9)
    do(CHAIN, hands)
    assert hands.log[:2] == ["a", "x"]
    assert hands.log.index("b") > 1 and hands.log[-1] in "cy"


def test_needs_that_are_not_part_of_the_plan_are_done_already():
    hands = Workers()
    do([Unit("b", ("a",))], hands)
    assert hands.log == ["b"]


def test_an_error_costs_only_what_depends_on_it_and_each_of_these_reports_it():
    hands = Workers(fates={"b": ["failed"]})
    outcome, ended = do(CHAIN, hands)
    assert hands.log == ["a", "b", "x"]
    assert outcome.errors == dict.fromkeys("bcy", "b failed") and outcome.left == 0
    assert ("c", "failed") in ended and not outcome.lost


def test_a_lost_unit_is_reported_so_that_another_round_can_follow():
    outcome, _ = do(CHAIN, Workers(fates={"b": ["lost"]}))
    assert outcome.lost


@dataclass
class Clock:
    """Stands for the ``time`` module of the scheduler: its seconds pass only where something sleeps."""

    now: float = 1000.0
    naps: list = field(default_factory=list)

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.naps.append(round(seconds, 6))
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr("cpbench.benchmark.run.scheduler.time", made)
    return made


def test_what_another_process_is_doing_is_put_off_and_the_others_go_first(clock):
    hands = Workers(fates={"a": ["busy", "busy"]})
    outcome, ended = do(CHAIN, hands)
    assert hands.log == ["a", "x", "a", "a", "b", "c", "y"]
    assert clock.naps == [0.5, 0.5], "half a second between two tries"
    assert ("a", "busy") not in ended and outcome.left == 0


@pytest.mark.parametrize(("tries", "reports"), [(20, 0), (21, 1), (100, 1)])
def test_after_ten_seconds_it_is_reported_once_which_process_a_unit_waits_for(tries, reports, clock):
    events = []
    execute(Workers(fates={"a": ["busy"] * tries}), {"a": Unit("a")}, events.append)
    assert [e.who for e in events if isinstance(e, Awaited)] == ["a busy"] * reports
    assert len(clock.naps) == tries


def test_after_the_deadline_nothing_is_begun_and_what_is_under_way_is_finished(clock):
    """Each start takes 6 s, so that the second one begins before the deadline, and the third one would not."""
    hands = Workers(places=3)
    begin = hands.start

    def slow(unit, on_event):
        begin(unit, on_event)
        clock.now += 6

    hands.start = slow
    outcome, ended = do([Unit(k) for k in "abcdef"], hands, clock.now + 10)
    assert hands.log == ["a", "b"]
    assert [key for key, _ in ended] == ["a", "b"] and outcome.left == 4


@pytest.mark.parametrize(("fate", "error"), [("refused", BadInput), ("full", FailedRun)])
def test_what_no_other_unit_can_survive_stops_everything(fate, error):
    hands = Workers(fates={"a": [fate]})
    with pytest.raises(error, match=f"a {fate}"):
        do(CHAIN, hands)
    assert hands.log == ["a"]


class Broken:
    """A runner whose every unit raises the error."""

    def __init__(self, error, folder):
        self.error, self.store = error, Store(folder, print)

    def do(self, unit, watch, begun):
        raise self.error


@pytest.mark.parametrize("kind", [KeyError, TypeError, IndexError, AssertionError, AttributeError, StopIteration])
def test_whatever_a_method_raises_is_an_error_of_its_unit_alone(kind, tmp_path):
    ended = attempt(Unit("a", title="mine: learn mallow"), Broken(kind("what"), tmp_path), lambda event: None)
    assert ended.fate == "failed"
    assert ended.error.startswith(f"mine: learn mallow: {kind.__name__}: ") and "what" in ended.error


def test_a_full_disk_is_known_by_its_number_also_in_the_words_of_another_library(tmp_path):
    from safetensors import SafetensorError

    text = "Error while serializing: I/O error: No space left on device (os error 28)"
    for error in (OSError(errno.ENOSPC, "No space left"), OSError(errno.EDQUOT, "quota"), SafetensorError(text)):
        ended = attempt(Unit("a"), Broken(error, tmp_path), lambda event: None)
        assert ended.fate == "full" and "free some ('cpbench gc')" in ended.error
    assert attempt(Unit("a"), Broken(OSError(errno.EIO, "disk"), tmp_path), lambda event: None).fate == "failed"
