"""States that only grow: T of them take O(T) bytes, and files that they share survive damage, removal and kills."""

import errno
import os
import shutil
import signal
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from fault_campaign import timeless_records
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from test_methods import chosen

from conftest import status_of, task, write_suite
from cpbench.benchmark.errors import Lost
from cpbench.benchmark.plan.units import Train
from cpbench.benchmark.protocol import Subject, unwatched
from cpbench.benchmark.run.runner import Runner
from cpbench.benchmark.speed.growth import exponent
from cpbench.benchmark.storage.inventory import remove
from cpbench.benchmark.storage.store import Store, disk_bytes, freed_bytes, owed_bytes, stored_bytes
from cpbench.benchmark.suite.spec import load_suite
from cpbench.methods import states

BIG = 40_000
CAT = task(1, "cat", "mallow", steps=1)
CONCEPTS = [
    {"name": "mallow", "noun": "cat", "toybox": 11},
    {"name": "rumble", "noun": "car", "toybox": 12},
    {"name": "rex", "noun": "dog", "toybox": 13},
]


def regular(folder):
    return [f for f in folder.rglob("*") if f.is_file() and ".locks" not in f.parts]


def learned(name, pristine, store, tasks, after):
    """Learn tasks one after another as the runner does, each in a unit of the store; ``after(n)`` follows each."""
    for n in range(1, tasks + 1):
        method = chosen(name).make(pristine.copy(), 7)
        if n > 1:
            method.load(store.read(f"k{n - 1}") / "state")
        method.learn(replace(CAT, number=n, seed=n, subject=Subject(f"c{n}", "cat")), unwatched)

        def write(folder, method=method):
            (folder / "state").mkdir()
            method.save(folder / "state")
            return {}

        store.put(f"k{n}", {"needs": [f"k{n - 1}"] if n > 1 else []}, write)
        after(n)


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("dsc", "cd-merge", "clora", "lora")]


@pytest.mark.parametrize("name", ["independent", "replay", *SLOW])
def test_the_states_of_t_tasks_take_and_are_written_in_bytes_linear_in_t(name, pristine, store, monkeypatch, show):
    written, kept, inodes, wrote = [0], {}, {}, {}
    monkeypatch.setattr(Path, "write_bytes", _counting(Path.write_bytes, written))

    def count(n):
        if n in (2, 6, 12):
            found = {f.stat().st_ino: f.stat().st_size for f in regular(store.folder)}
            kept[n], inodes[n], wrote[n] = sum(found.values()), len(found), written[0]

    learned(name, pristine, store, 12, count)
    show({"method": name, "kept": kept, "files": inodes, "written": wrote, "exponent": round(exponent(kept), 3)})
    assert max(exponent(kept), exponent(wrote)) <= 1.05
    assert inodes[12] / 12 == inodes[6] / 6 == inodes[2] / 2
    assert stored_bytes(store.folder / "k12" / "state") == sum(
        f.stat().st_size for f in regular(store.folder / "k12" / "state")
    ), "what a user must keep is counted in full"


def _counting(write_bytes, written):
    def counted(path, content):
        written[0] += len(content)
        return write_bytes(path, content)

    return counted


@settings(max_examples=30)
@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9-]{0,4}", fullmatch=True), st.integers(1, 3), min_size=1))
def test_pieces_are_read_in_the_order_in_which_one_file_had_them(tmp_path_factory, pool):
    """The order decides the last bits of sums over a pool."""
    folder = tmp_path_factory.mktemp("pieces")
    for keys in ([f"{c}/{k}" for c, n in pool.items() for k in range(n)], list(pool)):
        tensors = {key: torch.rand(2) for key in keys}
        shutil.rmtree(folder / "pool", ignore_errors=True)
        states.write_pieces(folder, "pool", tensors, None)
        found = states.read_part(folder, "pool", torch.device("cpu"))
        save_file(tensors, folder / "one")
        assert list(found) == list(load_file(folder / "one"))
        assert all(torch.equal(found[key], w) for key, w in tensors.items())


def test_a_state_saved_twice_writes_nothing_through_its_links(pristine, tmp_path):
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
    first = chosen("dsc").make(pristine.copy(), 7)
    first.learn(CAT, unwatched)
    first.save(folders[0])
    before = {f: f.read_bytes() for f in regular(folders[0])}
    second = chosen("dsc").make(pristine.copy(), 7)
    second.load(folders[0])
    second.save(folders[1])
    assert (folders[1] / "dsc" / "mallow.safetensors").samefile(folders[0] / "dsc" / "mallow.safetensors")
    for w in second.consolidations[0].pool["mallow"].values():
        w += 1
    second.save(folders[1])
    assert before == {f: f.read_bytes() for f in before}
    assert not (folders[1] / "dsc" / "mallow.safetensors").samefile(folders[0] / "dsc" / "mallow.safetensors")


# --- files that a method of another package writes as it likes -------------------------------------------------------


def put(store, key, needs=(), old=b"x" * BIG):
    def write(folder):
        (folder / "state").mkdir()
        (folder / "state" / "old").write_bytes(old)
        (folder / "state" / key).write_bytes(key.encode() * BIG)
        return {}

    return store.put(key, {"needs": list(needs)}, write)


def shared(store):
    return (store.folder / "a" / "state" / "old").samefile(store.folder / "b" / "state" / "old")


def test_a_file_that_equals_one_of_a_unit_that_is_needed_is_stored_once(store):
    put(store, "a"), put(store, "b", ["a"]), put(store, "c")
    assert shared(store)
    assert (store.folder / "c" / "state" / "old").stat().st_nlink == 1, "of a unit that it does not need"
    assert stored_bytes(store.folder / "b" / "state") == 2 * BIG
    assert sum(map(owed_bytes, map(store.read, "abc"))) == sum(disk_bytes(store.folder / k) for k in "abc") - (
        disk_bytes(store.folder / "a" / "state" / "old")
    )


@pytest.mark.parametrize("number", [errno.EPERM, errno.EXDEV, errno.EMLINK, errno.EOPNOTSUPP])
def test_without_hard_links_units_are_whole_copies(number, store, monkeypatch):
    def refused(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refused)
    put(store, "a"), put(store, "b", ["a"])
    assert store.find("a") and store.find("b") and not shared(store)
    assert len(regular(store.folder / "b")) == 3


def test_a_store_that_is_copied_without_its_links_is_whole(store, tmp_path):
    put(store, "a"), put(store, "b", ["a"])
    shutil.copytree(store.folder, tmp_path / "copy")
    assert all(map(Store(tmp_path / "copy", print).find, "ab"))


def test_a_file_that_was_damaged_meanwhile_is_not_linked(store, warnings):
    file = put(store, "a") / "state" / "old"
    file.write_bytes(b"y" * BIG)
    put(store, "b", ["a"])
    assert store.find("b") and not shared(store)
    assert store.find("a") is None and "unit a is damaged (state/old" in warnings[0]


def test_a_damaged_file_is_found_in_every_unit_that_has_it_and_all_are_done_again(store, warnings):
    put(store, "a"), put(store, "b", ["a"])
    (store.folder / "b" / "state" / "old").write_bytes(b"y" * BIG)
    with pytest.raises(Lost):
        store.read("a")
    put(store, "a"), put(store, "b", ["a"])
    assert [w.partition(";")[0] for w in warnings] == [
        f"unit {key} is damaged (state/old does not match its checksum)" for key in "ab"
    ]
    assert shared(store) and store.find("a") and store.find("b")


def test_removing_a_unit_frees_what_no_other_has(store):
    put(store, "a"), put(store, "b", ["a"])
    folders = [store.folder / key for key in "ab"]
    old, whole = disk_bytes(folders[0] / "state" / "old"), [disk_bytes(f) for f in folders]
    assert [freed_bytes([f]) for f in folders] == [size - old for size in whole]
    assert freed_bytes(folders) == sum(whole) - old
    assert remove(folders[0], store.folder) == whole[0] - old
    assert store.find("b") == folders[1]
    assert remove(folders[1], store.folder) == whole[1]


@pytest.mark.parametrize("instant", ["link", "replace", "fsync"])
def test_a_process_killed_while_it_links_harms_neither_unit(instant, store):
    put(store, "a")
    child = get_context("fork").Process(target=_put_and_die, args=(store.folder, instant))
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    assert store.find("a") and store.find("b") is None
    put(store, "b", ["a"])
    assert store.find("a") and store.find("b") and shared(store)
    assert len(regular(store.folder / "b")) == 3


def _put_and_die(folder, instant):
    def dying(do):
        def done(*arguments):
            if instant != "replace" or str(arguments[0]).endswith(".link"):
                do(*arguments)
                os.kill(os.getpid(), signal.SIGKILL)
            return do(*arguments)

        return done

    store = Store(folder, print)
    place = Path if instant == "replace" else os
    setattr(place, instant, dying(getattr(place, instant)))
    put(store, "b", ["a"])


# --- a chain of tasks ------------------------------------------------------------------------------------------------


def test_a_chain_whose_shared_adapter_is_damaged_is_computed_again_in_the_same_bits(pristine, tmp_path, warnings):
    suite = load_suite(str(write_suite(tmp_path, concepts=CONCEPTS)))
    runner = Runner(suite, Store(tmp_path / "units", warnings.append), pristine, None)
    keys = [None, "one", "two", "three"]
    units = [Train(keys[n], chosen("dsc"), suite.concepts[n - 1], n, keys[n - 1], n, "c") for n in (1, 2, 3)]
    folders = [runner.do(unit, unwatched) for unit in units]
    before = {f: f.read_bytes() for folder in folders for f in regular(folder / "state")}
    file = folders[2] / "state" / "dsc" / "mallow.safetensors"
    assert file.stat().st_nlink == 3
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(Lost):
        runner.do(units[2], unwatched)
    for unit in units:
        runner.do(unit, unwatched)
    assert sorted(w.split()[1] for w in warnings) == ["one", "three", "two"]
    assert before == {f: f.read_bytes() for folder in folders for f in regular(folder / "state")}
    assert file.stat().st_nlink == 3


@pytest.mark.slow
def test_a_run_on_a_damaged_pool_ends_with_the_records_of_an_undisturbed_one(tmp_path, capsys):
    suite = str(write_suite(tmp_path, concepts=CONCEPTS))
    arguments = ["run", "--methods", "dsc", "--suite", suite, "--set", "dsc.iterations=2", "--out"]
    assert status_of(*arguments, tmp_path / "out", "--lengths", "2") == 0
    files = list((tmp_path / "home" / "units").glob("*/state/dsc/mallow.safetensors"))
    assert [f.stat().st_nlink for f in files] == [2, 2]
    files[0].write_bytes(files[0].read_bytes()[:-1] + b"?")
    assert status_of(*arguments, tmp_path / "out") == 0
    assert capsys.readouterr().err.count("is damaged (state/dsc/mallow.safetensors does not match its checksum)") == 2
    whole = timeless_records(tmp_path / "out")
    (tmp_path / "home").rename(tmp_path / "before")
    assert status_of(*arguments, tmp_path / "again", "--lengths", "2,3") == 0
    assert timeless_records(tmp_path / "again") == whole
