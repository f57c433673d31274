"""Stores, locks and records that several users share, and machines that refuse: one sentence, and no run has failed."""

import errno
import fcntl
import os
import stat
import time
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strangers import give_away, in_child, modes, stranger, without_privileges

from cpbench.benchmark.errors import BadInput, Busy, FailedRun, Faulty
from cpbench.benchmark.models.feature_cache import FeatureCache
from cpbench.benchmark.records.result import result_path, write_result
from cpbench.benchmark.run.recorder import Recorder
from cpbench.benchmark.run.scheduler import execute
from cpbench.benchmark.run.worker import Here, attempt
from cpbench.benchmark.storage import machine
from cpbench.benchmark.storage.inventory import faults, remove, runs, take_inventory
from cpbench.benchmark.storage.locks import held, holding
from cpbench.benchmark.storage.store import Store, home, writable_records
from synthetic import record

REFUSALS = (
    *("EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "EMFILE", "ENFILE", "ENAMETOOLONG"),
    *("ESTALE", "ENOLCK", "ENOTCONN", "EHOSTDOWN", "EREMOTEIO", "ENODEV"),
)
CALLS = (
    "io.open",
    "os.open",
    "os.mkdir",
    "os.replace",
    "os.rename",
    "os.fsync",
    "fcntl.flock",
    "os.scandir",
    "os.unlink",
)


@dataclass(frozen=True)
class Unit:
    key: str
    needs: tuple[str, ...] = ()
    title: str = "mine: learn mallow"


@dataclass
class Runner:
    """Computes units that need the ones before them and are known by their keys."""

    store: Store

    def do(self, unit, watch, begun):
        with self.store.making(unit.key, {"what": unit.title}, wait=False) as made:
            if made is not None:
                begun()
                text = "".join((self.store.read(need) / "a").read_text() for need in unit.needs)
                (made.folder / "a").write_text(text + unit.key)


UNITS = {u.key: u for u in (Unit("a"), Unit("b", ("a",)), Unit("c", ("b",)))}


@contextmanager
def refusing(number, call, nth, below):
    """The ``nth`` call of a function of the system below a folder, and all later ones, raise an error of the system."""
    patch, count = pytest.MonkeyPatch(), 0
    place, name = call.split(".")
    module = __import__(place)
    real = getattr(module, name)

    def refused(target, *arguments, **more):
        nonlocal count
        unlocks = call == "fcntl.flock" and arguments[0] == fcntl.LOCK_UN
        by_number = isinstance(target, int) and call in ("os.fsync", "fcntl.flock")
        ours = not unlocks and (by_number or str(below) in str(target))
        count += ours
        if ours and count > nth:
            named = () if isinstance(target, int) else (str(target),)
            raise OSError(number, os.strerror(number), *named)
        return real(target, *arguments, **more)

    patch.setattr(module, name, refused)
    try:
        yield
    finally:
        patch.undo()


@settings(max_examples=100)
@given(name=st.sampled_from(REFUSALS), call=st.sampled_from(CALLS), nth=st.integers(0, 12))
def test_whatever_the_machine_refuses_no_unit_has_failed_none_is_lost_and_the_next_run_goes_on(
    name, call, nth, tmp_path_factory
):
    assume((name, call) != ("EACCES", "fcntl.flock"))  # some file systems mean by it that another process has the lock
    folder, events, warnings = tmp_path_factory.mktemp("store"), [], []
    store = Store(folder / "units", warnings.append)
    try:
        with refusing(getattr(errno, name), call, nth, store.folder), machine.during_work(folder):
            execute(Here(Runner(store)), UNITS, events.append, time.monotonic() + 5)
    except FailedRun as refusal:
        text = str(refusal)
        assert text.count("\n") == 0 and "then run the same command again" in text, text
    fates = [event.fate for event in events if hasattr(event, "fate")]
    assert set(fates) <= {"done"} and not warnings, "nothing is damaged, and nothing has failed"
    there = {key: (store.folder / key / "unit.json").read_bytes() for key in store.keys()}
    assert len(fates) <= len(there)
    again = execute(Here(Runner(store)), UNITS, events.append, time.monotonic() + 5)
    assert not again.errors and not again.left and not warnings
    assert {key: (store.folder / key / "unit.json").read_bytes() for key in there} == there
    assert (store.folder / "c" / "a").read_text() == "abc"


@settings(max_examples=60)
@given(name=st.sampled_from(REFUSALS), call=st.sampled_from(CALLS), nth=st.integers(0, 4), failed=st.booleans())
def test_a_record_is_never_lost_and_never_set_aside_because_it_cannot_be_reached(
    name, call, nth, failed, tmp_path_factory
):
    folder = tmp_path_factory.mktemp("records")
    path = write_result(folder, record())
    before = path.read_bytes()
    recorder = Recorder(Store(folder / "home" / "units", print), folder, {}, print)
    try:
        with refusing(getattr(errno, name), call, nth, folder / path.relative_to(folder).parts[0]):
            recorder._there(path)
            write_result(folder, record(**({"status": "error"} if failed else {})))
    except OSError as error:
        assert error.errno == getattr(errno, name)
        assert "\n" not in machine.sentence(error, folder)
    assert path.read_bytes() == before
    assert not list(folder.rglob("*.damaged"))


@pytest.mark.parametrize("name", REFUSALS)
def test_a_sentence_names_the_path_and_what_to_do(name, tmp_path):
    file = tmp_path / "units" / ".locks" / "k"
    error = OSError(getattr(errno, name), os.strerror(getattr(errno, name)), str(file))
    text = machine.excuse(error, tmp_path)
    assert str(tmp_path) in text and text.endswith("then run the same command again.")
    wanted = {"EROFS": "CPBENCH_HOME", "EACCES": "CPBENCH_HOME", "EMFILE": "ulimit", "ENOSPC": "cpbench gc"}
    assert wanted.get(name, "") in text


def test_what_a_method_opens_elsewhere_is_its_own_fault_but_a_full_disk_is_not(tmp_path):
    def by_method(number, path):
        error = Faulty("mine")
        error.__cause__ = OSError(number, os.strerror(number), path)
        return machine.excuse(error, tmp_path / "home")

    assert by_method(errno.EACCES, "/etc/shadow") is None
    assert by_method(errno.ENOENT, "/nowhere") is not None, "the store itself is gone"
    (tmp_path / "home" / "units").mkdir(parents=True)
    assert by_method(errno.ENOENT, "/nowhere") is None
    assert by_method(errno.ENOSPC, "/data/x")
    assert by_method(errno.EACCES, str(tmp_path / "home" / "units" / "k.partial" / "state"))
    assert machine.excuse(OSError(errno.EIO, "bad sector"), tmp_path) is None
    assert machine.excuse(ValueError("Permission denied"), tmp_path) is None


def test_libraries_in_rust_give_only_the_text_of_a_refusal(tmp_path):
    from safetensors import SafetensorError

    error = SafetensorError("Error while serializing: I/O error: Permission denied (os error 13)")
    assert "Permission denied" in machine.excuse(error, tmp_path)


def test_a_store_that_vanishes_halts_the_run_and_no_unit_has_failed(tmp_path):
    store = Store(tmp_path / "units", print)

    class Vanishing(Runner):
        def do(self, unit, watch, begun):
            with self.store.making(unit.key, {}) as made:
                (tmp_path / "units").rename(tmp_path / "moved")
                (made.folder / "a").write_text("a")

    ended = attempt(Unit("a"), Vanishing(store), lambda event: None)
    assert ended.fate == "halted" and "removed by someone else" in ended.error


def test_what_is_written_for_others_has_the_modes_of_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        store = Store(tmp_path / "units", print)
        execute(Here(Runner(store)), UNITS, lambda event: None)
        cache = FeatureCache(tmp_path / "features", lambda pictures: np.zeros((1, 2), np.float32), "k")
        cache(np.zeros((1, 8, 8, 3), np.uint8))
        write_result(tmp_path / "runs", record())
    finally:
        os.umask(before)
    places = [p for part in ("units", "features", "runs") for p in (tmp_path / part).rglob("*")]
    wrong = {
        p.name: oct(m) for p in places if (m := stat.S_IMODE(p.stat().st_mode)) != (0o750 if p.is_dir() else 0o640)
    }
    assert len(places) > 12 and not wrong


def _quietly(do, tmp_path):
    """Run as a user on whom permissions bind; an assertion that fails is printed."""
    outcome = in_child(lambda: (without_privileges(), do(), 0)[-1], tmp_path)
    assert outcome.status == 0, outcome.err


def test_a_lock_of_another_user_is_held_through_a_descriptor_that_only_reads(tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    for name, mode in (("open", 0o444), ("closed", 0o000)):
        (shared / name).touch()
        (shared / name).chmod(mode)
    give_away(shared)
    shared.chmod(0o777)

    def do():
        with holding(shared / "open"):
            process = get_context("fork").Process(target=lambda: os._exit(int(held(shared / "open"))))
            process.start(), process.join()
            assert process.exitcode == 1, "another process sees the lock"
        assert not held(shared / "open") and not held(shared / "never made")
        assert held(shared / "closed"), "what cannot be known is taken as held"
        with pytest.raises(PermissionError) as caught, holding(shared / "closed"):
            raise AssertionError
        assert "closed cannot be used (Permission denied; it is " in machine.excuse(caught.value, tmp_path)

    _quietly(do, tmp_path)


def test_what_a_dead_process_of_another_user_left_is_set_aside(tmp_path):
    store = Store(tmp_path / "units", print)
    for name in ("a.partial", "a.scratch"):
        (store.folder / name).mkdir()
        (store.folder / name / "learn-1.safetensors").write_text("half")
        modes(store.folder / name, 0o555, 0o444)
    (store.locks / "a").touch()
    (store.locks / "a").chmod(0o444)
    give_away(tmp_path / "units")
    for place in (tmp_path, store.folder, store.locks):
        place.chmod(0o777)

    def do():
        with store.making("a", {}) as made:
            assert (store.scratch("a") / "learn-1.safetensors").read_text() == "half", "it goes on from a checkpoint"
            (store.scratch("a") / "learn-2.safetensors").write_text("more")
            (made.folder / "x").write_text("x")
        assert store.find("a") and len(take_inventory(store.folder).left_over) >= 1

    _quietly(do, tmp_path)


def test_a_unit_that_only_its_owner_can_read_is_not_damaged_and_nobody_removes_it(tmp_path):
    warnings = []
    store = Store(tmp_path / "units", warnings.append)
    execute(Here(Runner(store)), UNITS, lambda event: None)
    for key in UNITS:
        modes(store.folder / key, 0o500, 0o400)
    (store.folder / "a").chmod(0)
    give_away(*(store.folder / key for key in UNITS))
    tmp_path.chmod(0o777), store.folder.chmod(0o777)

    def do():
        with pytest.raises(PermissionError):
            store.find("a")
        ended = attempt(UNITS["b"], Runner(store), lambda event: None)
        assert ended.fate == ("halted" if os.geteuid() == 0 else "done")
        (fault,) = faults([store.folder / "a"], lambda: None).values()
        assert "cannot read it (Permission denied" in fault
        with pytest.raises(PermissionError):
            remove(store.folder / "a", store.folder)

    _quietly(do, tmp_path)
    (store.folder / "a").chmod(0o500)
    assert store.keys() == set(UNITS) and not warnings
    modes(store.folder, 0o700, 0o600)


@pytest.mark.parametrize("part", ["", "units", "units/.locks", "features"])
def test_a_home_with_a_folder_of_another_user_is_refused_before_any_work(part, tmp_path, monkeypatch):
    place = tmp_path / "shared"
    (place / part).mkdir(parents=True)
    give_away(place / part)
    (place / part).chmod(0o555)
    monkeypatch.setenv("CPBENCH_HOME", str(place))

    def do():
        with pytest.raises(BadInput, match="set CPBENCH_HOME") as caught:
            home()
        owner = "yours" if os.geteuid() else "'s"
        assert str(place / part) in str(caught.value) and f"{owner}, with mode 0555" in str(caught.value)

    _quietly(do, tmp_path)


@pytest.mark.parametrize("part", ["", "tiny-2", "tiny-2/lora"])
def test_a_folder_of_records_of_another_user_is_refused_before_any_work(part, tmp_path):
    place = tmp_path / "runs"
    (place / part).mkdir(parents=True)
    give_away(place / part)
    (place / part).chmod(0o555)

    def do():
        with pytest.raises(BadInput, match=r"is not writable .*choose another with --out"):
            writable_records(place, "tiny-2", ["lora"])

    _quietly(do, tmp_path)


def test_two_users_share_a_store_at_the_same_time_and_one_waits_for_the_other(tmp_path):
    store = Store(tmp_path / "units", print)
    (store.locks / "a").touch()
    (store.locks / "a").chmod(0o444)
    give_away(store.locks / "a")
    tmp_path.chmod(0o777), store.folder.chmod(0o777), store.locks.chmod(0o777)
    with store.in_use(), store.making("a", {"what": "mine: learn mallow"}) as made:

        def do():
            with pytest.raises(Busy, match=r"mine: learn mallow .process"):
                Runner(store).do(UNITS["a"], None, lambda: None)
            (under_way,) = runs(store.folder)
            assert under_way.startswith("a run (process ")

        _quietly(do, tmp_path)
        (made.folder / "a").write_text("a")
    assert store.find("a")


COMMANDS = (
    ("validate", "{out}"),
    ("list", "runs", "--results", "{out}"),
    ("compare", "clora", "lora", "--results", "{out}"),
    ("report", "--only", "tables", "--results", "{out}", "--out", "{new}"),
    ("report", "--check", "--only", "tables", "--results", "{out}", "--out", "{new}"),
    ("gc", "--dry-run"),
)


def test_everything_that_reads_works_on_folders_that_are_only_read(tmp_path, suite_file):
    shared = tmp_path / "shared"
    for method in ("clora", "lora"):
        write_result(shared / "out", record(method=method))
    execute(Here(Runner(Store(shared / "home" / "units", print))), UNITS, lambda event: None)
    modes(shared, 0o555, 0o444)
    give_away(shared)
    work = tmp_path / "work"
    work.mkdir()
    names = {"out": shared / "out", "new": work / "report"}
    outcomes = {" ".join(c): stranger(work, *(a.format(**names) for a in c), home=shared / "home") for c in COMMANDS}
    assert {name: o.err for name, o in outcomes.items() if o.status} == {}
    modes(shared, 0o755, 0o644)


def test_a_folder_of_records_that_cannot_be_read_is_named_and_not_passed_over(tmp_path):
    shared, work = tmp_path / "shared", tmp_path / "work"
    path = write_result(shared, record())
    write_result(shared, record(method="lora"))
    work.mkdir()
    path.parent.chmod(0)
    give_away(path.parent)
    outcome = stranger(work, "validate", shared, home=tmp_path / "none" / "home")
    path.parent.chmod(0o755)
    assert outcome.status and "Permission denied" in outcome.out + outcome.err
    assert "Traceback" not in outcome.err and str(path.parent) in outcome.out.replace("\n", "")


def test_a_record_of_another_user_stays_where_it_is(tmp_path):
    out = tmp_path / "runs"
    path = write_result(out, record())
    recorder = Recorder(Store(tmp_path / "units", print), out, {}, print)
    path.chmod(0)
    give_away(path)
    path.parent.chmod(0o777)

    def do():
        with pytest.raises(PermissionError):
            recorder._there(path)
        with pytest.raises(PermissionError):
            write_result(out, record(status="error"))

    _quietly(do, tmp_path)
    path.chmod(0o644)
    assert result_path(out, record().run) == path and not list(out.rglob("*.damaged"))
