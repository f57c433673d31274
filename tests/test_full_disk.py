"""A full disk, at whatever instant it is full: one sentence, and after more room the same command goes on."""

import errno
import os
import subprocess
from contextlib import contextmanager

import pytest
from fault_campaign import timeless_records

from conftest import status_of, task
from cpbench.benchmark.protocol import unwatched
from cpbench.methods.registry import choose

SIZES = (300, 900, 1000, 1100, 1200, 1300)  # kB


@contextmanager
def small_disk(folder, kilobytes):
    """A disk of so many kB at ``folder``; skipped where none can be mounted, but not in CI."""
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder]
    if subprocess.run(mount, capture_output=True).returncode:
        assert not os.environ.get("CI"), "no tmpfs can be mounted; CI must be able to"
        pytest.skip("no tmpfs can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize("kilobytes", [4, 40, 120, 200])
def test_a_state_that_finds_no_room_is_an_error_of_the_system_with_its_number(kilobytes, backbone, tmp_path):
    (made,) = choose("dsc-ewc", {})
    method = made.make(backbone, 7)
    method.learn(task(1, "cat", "mallow"), unwatched)
    method.save(tmp_path)
    need = sum(f.stat().st_size for f in tmp_path.iterdir() if f.is_file()) // 1024
    with small_disk(tmp_path / "disk", kilobytes):
        if need <= kilobytes:
            pytest.fail(f"{need} kB fit in {kilobytes} kB")
        with pytest.raises(OSError) as caught:
            method.save(tmp_path / "disk")
    assert caught.value.errno == errno.ENOSPC


def _run(suite_file, out, *more):
    arguments = ("run", "--methods", "dsc-ewc", "--suite", suite_file, "--out", out, "--quiet", *more)
    return status_of(*arguments)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_full_disk_of_any_size_is_reported_in_one_sentence_and_more_room_is_all_that_it_takes(
    jobs, tmp_path, suite_file, capfd, monkeypatch
):
    assert _run(suite_file, tmp_path / "calm") == 0
    statuses = {}
    for size in SIZES if jobs == 1 else SIZES[2::2]:
        home = tmp_path / f"small-{size}"
        monkeypatch.setenv("CPBENCH_HOME", str(home))
        with small_disk(home, size):
            statuses[size] = _run(suite_file, tmp_path / f"out-{size}", "--jobs", jobs)
            err = capfd.readouterr().err
            assert "Traceback" not in err
            assert statuses[size] == 0 or "no space left" in err
            subprocess.run(["mount", "-o", "remount,size=100m", home], check=True)
            assert _run(suite_file, tmp_path / f"out-{size}") == 0
            assert timeless_records(tmp_path / f"out-{size}") == timeless_records(tmp_path / "calm")
    print(statuses)
    assert set(statuses.values()) <= {0, 1} and list(statuses.values()).count(1) >= len(statuses) // 2
