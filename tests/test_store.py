"""Units on disk: whole or absent, checked when read."""

import json
from multiprocessing import get_context

import pytest

from cpbench.benchmark.errors import BadInput, Busy
from cpbench.benchmark.storage.store import Store, home, stored_bytes


def write(folder):
    (folder / "sub").mkdir()
    (folder / "sub" / "a.txt").write_text("hello")
    return {"seconds": 1.5}


def never(folder):
    raise AssertionError("a finished unit must not be done again")


def test_a_unit_is_done_once_and_found_ever_after(store):
    folder = store.put("k", {"kind": "test"}, write)
    assert store.put("k", {"kind": "test"}, never) == folder
    assert store.find("k") == folder
    assert store.meta("k")["measured"] == {"seconds": 1.5}
    assert stored_bytes(folder / "sub") == 5


def test_work_that_fails_leaves_nothing_under_the_key(store):
    def fail(folder):
        (folder / "a.txt").write_text("half")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        store.put("k", {}, fail)
    assert store.find("k") is None
    assert store.put("k", {}, write) == store.find("k")


@pytest.mark.parametrize("harm", ["flip", "remove", "record"])
def test_a_damaged_unit_is_set_aside_with_its_name_and_done_again(store, warnings, harm):
    folder = store.put("k", {}, write)
    file = folder / "sub" / "a.txt"
    if harm == "flip":
        file.write_text("hellp")
    elif harm == "remove":
        file.unlink()
    else:
        (folder / "unit.json").write_text('{"sha2')
    assert store.find("k") is None
    assert "unit k is damaged" in warnings[0]
    assert len(list(store.folder.glob("k.damaged-*"))) == 1
    store.put("k", {}, write)
    assert store.find("k") is not None


def test_a_leftover_of_a_killed_process_is_cleared(store):
    leftover = store.folder / "k.partial"
    leftover.mkdir()
    (leftover / "junk").write_text("half")
    folder = store.put("k", {}, write)
    assert not (folder / "junk").exists()


def _count(folder, log):
    def slow(partial):
        import time

        with log.open("a") as out:
            out.write("done\n")
        time.sleep(0.5)
        return {}

    Store(folder, print).put("k", {}, slow)


def test_two_processes_never_do_one_unit_twice(tmp_path):
    log = tmp_path / "log"
    context = get_context("fork")
    both = [context.Process(target=_count, args=(tmp_path / "units", log)) for _ in range(2)]
    for p in both:
        p.start()
    for p in both:
        p.join()
    assert log.read_text() == "done\n"


def test_the_record_of_a_unit_names_every_file_with_its_checksum(store):
    folder = store.put("k", {"kind": "test"}, write)
    meta = json.loads((folder / "unit.json").read_text())
    assert list(meta["sha256"]) == ["sub/a.txt"]


def test_a_home_that_cannot_be_written_is_refused_with_what_to_do(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CPBENCH_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(BadInput, match="set CPBENCH_HOME"):
        home()


def _hold(folder, begun):
    import time

    def slow(partial):
        begun.set()
        time.sleep(300)
        return {}

    Store(folder, print).put("k", {"what": "learn mallow"}, slow)


def test_who_does_a_unit_is_told_to_those_who_want_it_too(store):
    context = get_context("fork")
    begun = context.Event()
    process = context.Process(target=_hold, args=(store.folder, begun))
    process.start()
    try:
        assert begun.wait(120)
        with pytest.raises(Busy, match=rf"learn mallow \(process {process.pid} on .+\) is under way"):
            store.put("k", {}, never, wait=False)
    finally:
        process.kill()
        process.join()
