"""The same sweep in one process, in two, on a Ray cluster of two nodes, and resumed: the same results."""

import errno
import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from fault_campaign import timeless_records
from filelock import FileLock
from rich.table import Table

from conftest import status_of, write_suite
from cpbench.benchmark.errors import Lost

METHODS = "base,lora,dsc-ewc"


def start(tmp_path, suite_file, name, *more):
    command = [sys.executable, "-m", "cpbench.benchmark.cli.main", "run", "--methods", METHODS, "--suite", suite_file]
    command += ["--orders", "2", "--lengths", "1,2", "--out", tmp_path / name / "out", *more]
    return subprocess.Popen(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"CPBENCH_HOME": str(tmp_path / name / "home")},
    )


def finish(process):
    out, _ = process.communicate(timeout=1200)
    assert process.returncode == 0, out
    return out


def wait_for(tmp_path, name, process, pattern, enough=1):
    while process.poll() is None and len(list((tmp_path / name / "home" / "units").glob(pattern))) < enough:
        time.sleep(0.02)
    assert process.poll() is None


@pytest.fixture
def cluster(monkeypatch):
    """Two nodes of a Ray cluster on this machine, one CPU each; the head has none, so that it does no units."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'cpbench[ray]'")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_worker_niceness", "0")
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    made.nodes_for_work = [made.add_node(num_cpus=1) for _ in range(2)]
    made.wait_for_nodes()
    yield made
    made.shutdown()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.filterwarnings("ignore")  # those of Ray
def test_one_process_two_a_cluster_and_a_resumed_run_give_the_same_records(tmp_path, cluster, show):
    suite_file, ray = write_suite(tmp_path), ("--executor", "ray", "--address", cluster.address)
    outputs = {"one process": finish(start(tmp_path, suite_file, "one process"))}
    outputs["--jobs 2"] = finish(start(tmp_path, suite_file, "--jobs 2", "--jobs", 2))
    outputs["ray, two nodes"] = finish(start(tmp_path, suite_file, "ray, two nodes", *ray))
    process = start(tmp_path, suite_file, "resumed")
    wait_for(tmp_path, "resumed", process, "*/unit.json", enough=20)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    outputs["resumed"] = finish(start(tmp_path, suite_file, "resumed", "--jobs", 2))
    records = {name: timeless_records(tmp_path / name / "out") for name in outputs}
    table = Table("way", "records", "scores", "equal to one process")
    for name, found in records.items():
        scores = sum(len(r["scores"]) for r in found.values())
        table.add_row(name, str(len(found)), str(scores), str(found == records["one process"]))
    show(table)
    assert len(records["one process"]) == 12
    assert all(found == records["one process"] for found in records.values())


def ancestors(pid):
    """A process, its parent, and so on."""
    while pid > 1:
        yield pid
        pid = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def node_of(cluster, pid):
    """The node of a cluster on this machine that a worker process belongs to."""
    raylets = {node.all_processes["raylet"][0].process.pid: node for node in cluster.nodes_for_work}
    return next(raylets[p] for p in ancestors(pid) if p in raylets)


def under_way(units, kind):
    """A unit of a kind that is being done, and by which process."""
    for owner in units.glob("*.partial/owner.json"):
        with suppress(OSError, ValueError):
            who = json.loads(owner.read_text())
            if who["kind"] == kind:
                return owner.parent.stem, who["pid"]
    return None


def stopped_inside(units, kind, process):
    """A unit of a kind whose worker was stopped (SIGSTOP) while it did it, and the worker."""
    while process.poll() is None:
        if found := under_way(units, kind):
            key, pid = found
            os.kill(pid, signal.SIGSTOP)
            if (units / f"{key}.partial").exists() and not (units / key).exists():
                return key, pid
            os.kill(pid, signal.SIGCONT)  # it was done in the last moment
        time.sleep(0.01)
    pytest.fail(f"the run ended before a node could be killed: {process.communicate()[0]}")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.filterwarnings("ignore")
def test_a_node_that_is_killed_in_the_middle_of_training_costs_nothing_but_time(tmp_path, cluster):
    """The worker is stopped first, so that the node surely dies inside the unit."""
    suite_file = write_suite(tmp_path, training={"steps": 60, "batch": 2, "pictures": 2})
    process = start(tmp_path, suite_file, "killed", "--executor", "ray", "--address", cluster.address)
    units = tmp_path / "killed" / "home" / "units"
    try:
        key, pid = stopped_inside(units, "train", process)
        cluster.remove_node(node_of(cluster, pid), allow_graceful=False)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        assert not (units / key).exists(), "the node died before the unit was done"
        finish(process)
    finally:
        process.kill()
        with suppress(NameError, ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert (units / key / "state").is_dir(), "the other node did it"
    finish(start(tmp_path, suite_file, "calm"))
    assert timeless_records(tmp_path / "killed" / "out") == timeless_records(tmp_path / "calm" / "out")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_reports_the_units_under_way_and_which_process_one_waits_for(tmp_path, cluster):
    """The state that the second task needs is being made by this process, which takes its time."""
    from cpbench.benchmark.run.cluster import ray_executor
    from cpbench.benchmark.run.events import Awaited, Ended, Started, Ticked
    from cpbench.benchmark.run.opening import load
    from cpbench.benchmark.run.session import Recipe
    from cpbench.benchmark.scoring.profiles import load_profile
    from cpbench.benchmark.suite.spec import load_suite
    from cpbench.methods.registry import choose

    suite, home = load_suite(str(write_suite(tmp_path))), tmp_path / "reported" / "home"
    recipe = Recipe(suite, home, load_profile("toybox"), "tiny", device="cpu")
    session, seen = load(recipe, print), []
    (plan,) = session.plan(choose("lora", {}), [(0, 1)], [0], "end")
    first, *_ = plan.trains

    def on_event(event):
        seen.append(event)
        if isinstance(event, Awaited) and lock.is_locked:
            lock.release()

    with FileLock(session.store.locks / first.key) as lock, ray_executor(recipe, cluster.address) as do:
        outcome = do(session.missing([plan]), on_event, math.inf)
    assert not outcome.errors and outcome.left == 0
    (waited,) = (e for e in seen if isinstance(e, Awaited))
    assert waited.unit.key == first.key
    for unit in plan.trains:
        own = [type(e) for e in seen if e.unit.key == unit.key and not isinstance(e, Awaited)]
        assert own[0] is Started and own[-1] is Ended and Ticked in own


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_without_a_node_is_reported_and_the_time_limit_ends_the_run(tmp_path, cluster):
    for node in cluster.nodes_for_work:
        cluster.remove_node(node)
    more = ("--executor", "ray", "--address", cluster.address, "--max-hours", 0.03)
    process = start(tmp_path, write_suite(tmp_path), "nobody", *more)
    out, _ = process.communicate(timeout=1200)
    assert process.returncode == 75, out
    assert "waiting: the cluster has no node with 1 CPU (--threads)." in out and "--max-hours 0.03 reached" in out
    assert "Traceback" not in out
    finish(start(tmp_path, tmp_path / "tiny.yaml", "nobody"))
    assert "0 to do" in finish(start(tmp_path, tmp_path / "tiny.yaml", "nobody", *more)), "what is done needs no node"


@pytest.mark.parametrize("how", ["--address", pytest.param("RAY_ADDRESS", marks=pytest.mark.slow)])
def test_an_address_where_no_cluster_answers_is_refused_before_ray_tries_it(
    tmp_path, suite_file, capfd, monkeypatch, how, show
):
    """The reason is that of the connection: Ray itself would try for minutes, and give another."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'cpbench[ray]'")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    begin = time.monotonic()
    address = ("--address", f"127.0.0.1:{port}") if how == "--address" else ()
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
    arguments = ("--methods", "base", "--suite", suite_file, "--out", tmp_path / "out", "--executor", "ray")
    assert status_of("run", *arguments, *address) == 2
    reason = f"[Errno {errno.ECONNREFUSED}]"
    assert f"--address 127.0.0.1:{port}: no Ray cluster answers ({reason}" in capfd.readouterr().err
    show(f"refused after {time.monotonic() - begin:.1f} s, imports included")


def test_a_time_limit_stops_a_run_at_a_unit_and_the_same_command_continues(tmp_path, suite_file, capsys):
    arguments = ["run", "--methods", "lora", "--suite", str(suite_file), "--out", str(tmp_path / "out")]
    assert status_of(*arguments, "--max-hours", "1e-9") == 75
    err = capsys.readouterr().err
    assert "--max-hours 1e-09 reached: 1 of 1 run unfinished, 28 units left; the same command continues" in err
    assert not list((tmp_path / "out").glob("*/*/*.json"))
    assert status_of(*arguments) == 0
    assert "28 to do" in capsys.readouterr().out
    assert len(list((tmp_path / "out").glob("*/*/*.json"))) == 1


def test_records_that_can_never_be_written_are_reported_in_one_sentence(tmp_path, suite_file, capsys, monkeypatch):
    def lost(self, plan, error=None):
        raise Lost("unit a is not there any more")

    monkeypatch.setattr("cpbench.benchmark.run.recorder.Recorder.write", lost)
    arguments = ["run", "--methods", "base", "--suite", suite_file, "--out", tmp_path / "out"]
    for more in ((), ("--max-hours", 5)):
        assert status_of(*arguments, *more) == 1
        assert "1 of 1 run not recorded: their units were found damaged" in capsys.readouterr().err


def test_a_damaged_input_that_only_a_later_unit_reads_is_computed_again_within_the_same_run(
    tmp_path, suite_file, capsys
):
    """The first run leaves a state and its pictures; the second learns more on top of the damaged state."""
    arguments = ["run", "--methods", "lora", "--suite", str(suite_file), "--out", str(tmp_path / "out")]
    assert status_of(*arguments, "--lengths", "1") == 0
    (state,) = (tmp_path / "home" / "units").glob("*/state/adapter.safetensors")
    content = bytearray(state.read_bytes())
    content[-1] ^= 1
    state.write_bytes(bytes(content))
    assert status_of(*arguments) == 0
    assert "is damaged (state/adapter.safetensors does not match its checksum)" in capsys.readouterr().err
    whole = timeless_records(tmp_path / "out")
    assert status_of(*arguments[:-1], tmp_path / "again", "--lengths", "1,2") == 0
    assert timeless_records(tmp_path / "again") == whole


def test_a_truncated_record_is_set_aside_and_written_again(tmp_path, suite_file, capsys):
    arguments = ["run", "--methods", "base", "--suite", str(suite_file), "--out", str(tmp_path / "out")]
    assert status_of(*arguments) == 0
    (path,) = (tmp_path / "out").glob("*/*/*.json")
    whole = timeless_records(tmp_path / "out")
    path.write_bytes(path.read_bytes()[:100])
    assert status_of(*arguments) == 0
    assert "not JSON that ends" in (err := capsys.readouterr().err) and "set aside as" in err and path.stem in err
    assert timeless_records(tmp_path / "out") == whole
    assert path.with_suffix(".damaged").exists()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_script_for_one_machine_runs_a_sweep_on_a_cluster_of_its_own(tmp_path, suite_file):
    script = Path(__file__).parent.parent / "docs" / "cluster" / "one-machine.sh"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = [script, "--methods", "base", "--suite", suite_file, "--out", tmp_path / "out"]
    done = subprocess.run(command, env=os.environ | {"PATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(timeless_records(tmp_path / "out")) == 1
