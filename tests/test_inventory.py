"""What lies in a store, what it takes on the disk, and what may go."""

import json
import os
import subprocess
import time
from multiprocessing import get_context
from pathlib import Path

import pytest

from conftest import status_of
from cpbench.benchmark.plan.costs import costs
from cpbench.benchmark.plan.units import with_method
from cpbench.benchmark.records.reading import read_records
from cpbench.benchmark.records.result import write_result
from cpbench.benchmark.run.code import code_of_units
from cpbench.benchmark.scoring.profiles import load_profile
from cpbench.benchmark.storage.inventory import faults, remove, runs, take_inventory, unused
from cpbench.benchmark.storage.store import Store, disk_bytes
from cpbench.methods.registry import choose
from synthetic import record


def write(folder):
    (folder / "a.txt").write_text("hello")
    return {}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "home" / "units", print)


def names(paths):
    return [path.name for path in paths]


def _hold(folder, begun):
    def slow(partial):
        begun.set()
        time.sleep(300)
        return {}

    Store(folder, print).put("held", {"what": "learn mallow"}, slow)


@pytest.fixture
def messy(store):
    """A store with one folder of each sort; another process is at work in it."""
    store.put("good", {"kind": "train"}, write)
    for name in ("dead.partial", "gone.damaged-0", "stopped.scratch", "good.scratch"):
        (store.folder / name).mkdir()
    context = get_context("fork")
    begun = context.Event()
    process = context.Process(target=_hold, args=(store.folder, begun))
    process.start()
    assert begun.wait(120)
    (store.folder / "held.scratch").mkdir()
    yield store
    process.kill()
    process.join()


def test_a_stock_tells_work_under_way_from_what_dead_processes_left(messy):
    stock = take_inventory(messy.folder)
    assert names(stock.units) == ["good"]
    assert names(stock.under_way) == ["held.partial"]
    assert names(stock.left_over) == ["dead.partial", "good.scratch"]
    assert names(stock.damaged) == ["gone.damaged-0"]
    assert names(stock.checkpoints) == ["stopped.scratch"]


def test_gc_removes_leftovers_and_damage_and_keeps_work_units_and_checkpoints(messy, capsys):
    assert status_of("gc", "--dry-run") == 0
    assert "would be freed" in capsys.readouterr().out
    assert (messy.folder / "dead.partial").exists()
    assert status_of("gc") == 0
    assert sorted(p.name for p in messy.folder.iterdir()) == [
        *(".locks", "good", "held.partial", "held.scratch", "stopped.scratch")
    ]
    assert status_of("gc", "--checkpoints") == 0
    assert not (messy.folder / "stopped.scratch").exists() and (messy.folder / "held.scratch").exists()


def test_gc_refuses_a_folder_without_records_instead_of_removing_everything(store, tmp_path, capsys):
    store.put("a", {}, write)
    assert status_of("gc", "--unused", tmp_path) == 2
    err = capsys.readouterr().err
    assert f"--unused {tmp_path}" in err and "no records" in err and "every unit would be removed" in err
    assert store.keys() == {"a"}


def test_units_that_no_record_is_made_of_are_unused_and_scores_of_used_pictures_are_not(store, tmp_path):
    result = record("lora", seed=0).model_copy(update={"units": {"train/1": "t", "draw/1/1": "d"}})
    write_result(tmp_path / "results", result)
    for key, kind, needs in (
        *(("t", "train", ()), ("d", "draw", ("t",)), ("m", "measure", ("d",)), ("base", "classify", ())),
        *(("x", "draw", ("t",)), ("mx", "measure", ("x",)), ("y", "train", ())),
    ):
        store.put(key, {"kind": kind, "needs": list(needs)}, write)
    assert names(unused(take_inventory(store.folder).units, tmp_path / "results")) == ["mx", "x", "y"]
    assert next(read_records(tmp_path / "results", on_fault=pytest.fail))


def test_gc_refuses_to_look_for_unused_units_during_a_run_and_says_whose(messy, tmp_path, capsys):
    write_result(tmp_path / "results", record("lora", seed=0))
    assert status_of("gc", "--unused", tmp_path / "results") == 2
    err = capsys.readouterr().err
    assert "learn mallow (process " in err and "is under way in this store" in err
    assert (messy.folder / "good").exists()


def test_gc_refuses_to_look_for_unused_units_between_two_units_of_a_run(store, tmp_path, capsys):
    store.put("good", {"kind": "train"}, write)
    write_result(tmp_path / "results", record("lora", seed=0))
    with store.in_use():
        assert status_of("gc", "--unused", tmp_path / "results") == 2
        assert f"a run (process {os.getpid()} on " in capsys.readouterr().err
    assert (store.folder / "good").exists()
    assert status_of("gc", "--unused", tmp_path / "results") == 0
    assert not (store.folder / "good").exists()


def test_what_a_check_left_that_was_cut_off_long_ago_goes_unless_one_is_under_way(store):
    folders = {name: store.folder.parent / "checks" / name for name in ("old", "new", "busy", "long")}
    stores = {name: Store(folder / "units", print) for name, folder in folders.items()}
    for name in ("old", "busy"):
        os.utime(folders[name] / "units", (0, 0))
    for name in ("old", "busy", "long"):  # a long check has begun hours ago, and finished a unit just now
        os.utime(folders[name], (0, 0))
    with stores["busy"].in_use():
        assert take_inventory(store.folder).left_over == [folders["old"]]
        assert status_of("gc") == 0
    assert [folder.exists() for folder in folders.values()] == [False, True, True, True]


def test_a_run_that_died_is_not_under_way(store):
    (store.locks / "run somewhere 12 abc").touch()
    assert runs(store.folder) == [] and not list(store.locks.iterdir())


def test_what_is_under_way_is_never_removed(messy):
    assert remove(messy.folder / "held.partial", messy.folder) == 0
    assert (messy.folder / "held.partial").exists()


def test_disk_bytes_are_those_of_du(store, tmp_path):
    for k in range(5):
        store.put(f"k{k}", {}, lambda folder: (folder / "big").write_bytes(os.urandom(10_000)) and {})
    os.link(store.folder / "k0" / "big", store.folder / "k1" / "same")
    said = subprocess.run(["du", "-s", "--block-size=1", tmp_path], capture_output=True, text=True, check=True)
    assert disk_bytes(tmp_path) == int(said.stdout.split()[0])


def test_the_doctor_names_a_damaged_unit_and_says_what_is_under_way(messy, capsys, monkeypatch):
    (messy.folder / "good" / "a.txt").write_text("hellp")
    assert [f for f in faults(take_inventory(messy.folder).units, lambda: None).values()] == [
        "a.txt does not match its checksum"
    ]
    assert status_of("doctor", "--json") == 1
    rows = {row["what"]: row for row in json.loads(capsys.readouterr().out)}
    assert not rows["checksums"]["good"] and "good: a.txt does not match its checksum" in rows["checksums"]["found"]
    assert "learn mallow (process" in rows["under way"]["found"]
    assert "gc" in rows["left over"]["found"] and "1 task" in rows["interrupted"]["found"]
    assert status_of("doctor", "--quick", "--json") == 0
    assert "checksums" not in {row["what"] for row in json.loads(capsys.readouterr().out)}


def test_the_doctor_counts_units_made_by_code_that_has_changed_since(store, capsys):
    own = code_of_units(load_profile("toybox"))
    store.put("old", {"revision": 1}, write)
    store.put("changed", {"code": "0" * 16}, write)
    store.put("drawn", {"code": own["draw"]}, write)
    store.put("learned", {"code": with_method(own["train"], choose("dsc", {})[0].code)}, write)
    assert status_of("doctor", "--json") == 0
    assert "2 units made by code that has changed since" in capsys.readouterr().out


@pytest.mark.slow
def test_a_hundred_thousand_units_are_listed_by_opening_a_few_hundred_of_them(tmp_path, monkeypatch, show):
    store, opened, read = Store(tmp_path / "units", print), [], Path.read_text
    meta = json.dumps({"inputs": {"kind": "train", "method": "lora"}, "seconds": 2.0})
    for k in range(100_000):
        folder = store.folder / f"{k:016x}"
        folder.mkdir()
        if k % 300 == 0:
            (folder / "unit.json").write_text(meta)
    monkeypatch.setattr(Path, "read_text", lambda file, *a, **k: opened.append(file) or read(file, *a, **k))
    begin = time.process_time()
    keys = store.keys()
    stock = take_inventory(store.folder)
    assert not opened
    known = costs(store, keys)
    show(f"{len(keys):,} units listed in {time.process_time() - begin:.2f} s of one processor")
    assert len(keys) == len(stock.units) == 100_000 and len(opened) < 1000
    assert known.second(("Train", "lora")) in (2.0, 30.0)


def test_costs_are_the_means_of_what_the_store_has_by_kind_and_method(store):
    for key, kind, method in (("a", "train", "lora"), ("b", "train", "dsc"), ("c", "draw", "")):
        store.put(key, {"kind": kind, "method": method}, write)
        path = store.folder / key / "unit.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"seconds": {"a": 4.0, "b": 8.0, "c": 1.0}[key]}))
    from collections import Counter

    known = costs(store, store.keys())
    assert known.second(("Train", "lora")) == 4.0 and known.second(("Train", "ewc")) == 6.0
    assert known.second(("Measure", "")) == 0.5, "a guess, where nothing was measured"
    assert known.time(Counter({("Train", "dsc"): 2, ("Draw", ""): 4}), jobs=2) == 10.0
    assert known.disk(Counter({("Draw", ""): 2})) == 2 * disk_bytes(store.folder / "c")


def test_units_of_the_same_suite_and_weights_tell_the_costs_of_their_kind_alone(store):
    mine, other = {"suite": "toybox-6", "weights": "w"}, {"suite": "tiny-2", "weights": "t"}
    for key, inputs, seconds in (
        ("a", {"kind": "train", "method": "lora"} | mine, 40.0),
        ("b", {"kind": "train", "method": "lora"} | other, 1.0),
        ("c", {"kind": "train", "method": "dsc"} | other, 2.0),
        ("d", {"kind": "draw", "method": ""} | other, 300.0),
        ("e", {"kind": "measure", "method": ""} | mine | {"suite": "toybox-2"}, 7.0),
    ):
        store.put(key, inputs, write)
        path = store.folder / key / "unit.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"seconds": seconds}))
    known = costs(store, store.keys(), mine)
    assert known.second(("Train", "lora")) == known.second(("Train", "dsc")) == 40.0
    assert known.second(("Draw", "")) == 3.0, "a guess: those of other weights may take a thousand times as long"
    assert known.second(("Measure", "")) == 7.0 and known.foreign == {"Measure"}, "of other suites, for want of its own"
