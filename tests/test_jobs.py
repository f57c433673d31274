"""How many processes compute where that is not given, and that nothing else depends on it."""

import os
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.run import jobs
from cpbench.benchmark.run.executors import Placement
from cpbench.benchmark.run.jobs import Bound, NumberOfJobs, most, settled, width
from cpbench.benchmark.run.session import Facts

MB = 10**6
COUNTED = jobs.cores
"""As it is: while tests run, there is one core (``conftest``)."""


@pytest.fixture
def machine(monkeypatch):
    """A function that makes this a machine with some cores and megabytes."""

    def made(cores, free=10**6):
        monkeypatch.setattr(jobs, "cores", lambda: cores)
        monkeypatch.setattr(jobs, "free_memory", lambda: free * MB)

    return made


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Folders in place of those of the control groups, of this process and of its memory: a function writes them."""
    monkeypatch.setattr(jobs, "cores", COUNTED)
    monkeypatch.setattr(jobs, "_CGROUPS", tmp_path / "groups")
    monkeypatch.setattr(jobs, "_OWN_GROUP", tmp_path / "own")
    monkeypatch.setattr(jobs, "_MEMORY", tmp_path / "memory")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(os, "process_cpu_count", lambda: 8, raising=False)

    def write(own, files):
        for name, text in {"own": own, **{f"groups/{name}": text for name, text in files.items()}}.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)

    (tmp_path / "memory").write_text("MemTotal: 9000 kB\nMemAvailable: 8000 kB\n")
    return write


def bound(threads=1, device="auto", methods=()):
    return most(device, threads, methods)


def test_there_is_a_process_per_core_and_threads_share_the_cores(machine):
    machine(8)
    assert bound() == Bound(8, "one per core")
    assert bound(threads=3).jobs == 2, "threads × processes is never more than the cores"
    assert bound(threads=100).jobs == 1


@pytest.mark.parametrize(("device", "n"), [("mps", 1), ("cuda:1", 1), ("cpu", 8), ("auto", 8), ("cuda", 8)])
def test_a_device_that_only_one_process_can_use_has_one(device, n, machine):
    machine(8)
    assert bound(device=device).jobs == n


def test_memory_limits_the_processes_before_and_after_its_need_is_measured(machine):
    machine(8, 3000)
    assert bound(device="cpu") == Bound(3, "3,000 MB free, 900 MB each")
    found = settled(Bound(8, "one per core"), "cpu", 0, 1500 * MB, 99)
    assert found == Bound(3, "3,000 MB free, 1,500 MB each"), "one is there already, and two more fit"
    machine(8, 10)
    assert bound(device="cpu").jobs == settled(Bound(8, ""), "cpu", 0, 1500 * MB, 99).jobs == 1


@given(
    st.integers(1, 64), st.integers(0, 8), st.integers(1, 4000), st.integers(1, 99), st.sampled_from(["cuda", "mps"])
)
def test_gpus_have_a_process_each_and_no_process_is_without_work(jobs_, gpus, peak, units, device):
    found = settled(Bound(jobs_, "one per core"), device, gpus, peak * MB, units)
    assert found.jobs == max(1, min(jobs_, units, gpus if device == "cuda" else 1))


def test_a_machine_with_gpus_that_the_models_do_not_use_counts_its_cores(machine):
    machine(4)
    assert settled(Bound(4, "one per core"), "cpu", 0, 900 * MB, 99) == Bound(4, "one per core")


def test_what_cannot_be_sent_to_other_processes_stays_in_this_one(machine):
    machine(8)
    assert "'def' or 'class'" in bound(methods=[lambda: None]).why
    assert bound(methods=[lambda: None]).jobs == 1


@pytest.mark.parametrize("guard", ["", 'if __name__ == "__main__":\n    '])
def test_a_script_without_a_guard_is_not_imported_by_other_processes(guard, tmp_path, machine, monkeypatch):
    machine(8)
    script = tmp_path / "mine.py"
    script.write_text(f"import cpbench\n{guard}cpbench.sweep('lora')\n")
    monkeypatch.setitem(sys.modules, "__main__", SimpleNamespace(__file__=str(script), __spec__=None))
    assert bound() == (Bound(8, "one per core") if guard else Bound(1, "mine.py has no if __name__ == '__main__'"))


@pytest.mark.parametrize(
    ("own", "files", "cores"),
    [
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000"}, 8),
        ("0::/a/b\n", {"a/b/cpu.max": "350000 100000"}, 3),
        ("0::/a/b\n", {"a/cpu.max": "50000 100000", "a/b/cpu.max": "max 100000"}, 1),
        (
            "4:cpu,cpuacct:/x\n",
            {"cpu,cpuacct/x/cpu.cfs_quota_us": "200000", "cpu,cpuacct/x/cpu.cfs_period_us": "100000"},
            2,
        ),
        ("4:cpu:/x\n", {"cpu/x/cpu.cfs_quota_us": "-1", "cpu/x/cpu.cfs_period_us": "100000"}, 8),
        ("0::/gone\n", {"cpu.max": "not two numbers"}, 8),
    ],
)
def test_the_quota_of_a_control_group_counts_as_fewer_cores(own, files, cores, groups):
    groups(own, files)
    assert jobs.cores() == cores


@pytest.mark.parametrize(
    ("own", "files", "free"),
    [
        ("0::/a\n", {"a/memory.max": "max", "a/memory.current": "1"}, 8192000),
        ("0::/a\n", {"a/memory.max": "5000", "a/memory.current": "3000", "a/memory.stat": "inactive_file 500\n"}, 2500),
        (
            "3:memory:/a\n",
            dict(
                zip(
                    ("memory/a/memory.limit_in_bytes", "memory/a/memory.usage_in_bytes", "memory/a/memory.stat"),
                    ("700", "900", ""),
                    strict=True,
                )
            ),
            0,
        ),
        ("0::/a\n", {"a/memory.max": "5000"}, 8192000),
    ],
)
def test_the_memory_that_is_free_is_that_of_the_control_group_if_it_is_less(own, files, free, groups):
    groups(own, files)
    assert jobs.free_memory() == free


def test_where_the_system_gives_neither_there_is_a_number_all_the_same(tmp_path, groups, monkeypatch):
    monkeypatch.setattr(jobs, "_MEMORY", tmp_path / "nowhere")
    assert jobs.cores() == 8 and jobs.free_memory() > 0


def test_units_that_need_one_another_cannot_run_at_once():
    def units(**needs):
        return {key: SimpleNamespace(needs=tuple(others)) for key, others in needs.items()}

    assert width({}) == 0
    assert width(units(a="", b="a", c="b")) == 1
    assert width(units(a="", b="a", c="a", d="a", e="dz")) == 3


@pytest.mark.parametrize("given_", ["auto", 1, 4096])
def test_a_number_or_auto_is_what_may_be_given(given_):
    assert Placement(jobs=given_).jobs == given_


@pytest.mark.parametrize("given_", [0, "3", -1, 4097, "many", 2.5, True, None])
def test_anything_else_is_refused_with_both(given_):
    with pytest.raises(BadInput, match=r"--jobs .*: give a whole number from 1 to 4,096, or 'auto'\."):
        NumberOfJobs().check("--jobs", given_)


def test_a_number_that_is_given_stays(machine):
    machine(2)
    facts = Facts("toybox", "", {}, "cpu", 0, {}, {}, {})
    placement = Placement(jobs=9).bounded(SimpleNamespace(device="cpu", threads=None), ())
    assert placement == placement.settled(facts, 10**15, 1) == Placement(jobs=9)


PARENT = """
import sys
from cpbench.benchmark.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    heavy = {"torch", "torchvision", "diffusers", "transformers", "peft", "timm", "torchmetrics", "scipy.stats"}
    print("imported:", *sorted(heavy & set(sys.modules)), file=sys.stderr)
    raise
"""


def parent(folder, suite_file, *more):
    """The exit status of a run of processes, what it printed, and which heavy modules its first process imported."""
    import subprocess

    command = [sys.executable, "-c", PARENT, "run", "--methods", "lora", "--suite", suite_file, "--out", folder / "out"]
    home = os.environ | {"CPBENCH_HOME": str(folder / "home"), "COLUMNS": "200"}
    done = subprocess.run([*map(str, command), *map(str, more)], capture_output=True, text=True, env=home)
    return done.returncode, done.stdout + done.stderr.partition("imported:")[0], done.stderr.partition("imported:")[2]


def test_the_process_that_plans_loads_no_model_and_its_errors_are_the_same(tmp_path, suite_file):
    status, out, imported = parent(tmp_path, suite_file, "--jobs", 2, "--dry-run")
    assert status == 0 and "in 2 processes" in out and not imported.split(), (out, imported)
    status, out, imported = parent(tmp_path, suite_file, "--jobs", 2, "--dry-run", "--set", "lora.rank=4000")
    assert status == 2 and "rank" in out and out.count("\n") == 1 and not imported.split(), (out, imported)
