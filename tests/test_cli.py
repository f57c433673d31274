"""The command line as a user meets it: runs, resumes, and refuses bad input in one sentence."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial

import pytest

from conftest import outcome_of, write_suite
from cpbench.benchmark.records.reading import read_records


def run_arguments(suite_file, out, *more, methods="lora"):
    return ("run", "--methods", methods, "--suite", suite_file, "--out", out, "--threads", 1, *more)


def told(folder):
    """The records of a folder without what may differ: times."""
    records = [r.model_dump(exclude={"created"}) for _, r in read_records(folder, on_fault=pytest.fail)]
    for record in records:
        for cost in record["cost"]:
            for field in ("train_seconds", "seconds_per_picture", "peak_memory_bytes"):
                del cost[field]
            measured = [name for name in cost["figures"] if name.startswith(("seconds.", "peak_bytes."))]
            assert {"seconds.learn", "peak_bytes.learn", "seconds.inspect"} <= set(measured)
            for name in measured:
                del cost["figures"][name]
    return records


def test_a_run_writes_a_record_and_prints_the_leaderboard(capsys, suite_file, tmp_path):
    status, out, err = outcome_of(capsys, *run_arguments(suite_file, tmp_path / "out", methods="base,lora"))
    assert (status, err) == (0, "")
    assert "lora" in out
    assert "ceiling" in out
    records = [r for _, r in read_records(tmp_path / "out", on_fault=pytest.fail)]
    assert [r.run.method for r in records] == ["base", "lora"]
    assert all(r.status == "ok" and r.scores for r in records)


def test_a_second_run_does_nothing_and_leaves_the_record_untouched(capsys, suite_file, tmp_path):
    outcome_of(capsys, *run_arguments(suite_file, tmp_path / "out"))
    (path, _), *_ = read_records(tmp_path / "out", on_fault=pytest.fail)
    before = path.read_bytes()
    status, out, _ = outcome_of(capsys, *run_arguments(suite_file, tmp_path / "out"))
    assert status == 0
    assert " 0 to do" in out
    assert path.read_bytes() == before


def test_a_dry_run_says_the_plan_and_does_nothing(capsys, suite_file, tmp_path):
    status, out, _ = outcome_of(capsys, *run_arguments(suite_file, tmp_path / "out", "--dry-run", "--orders", 2))
    assert status == 0
    assert "2 runs (1 method × 2 orders × 1 seed) need 56 units of work, 14 of them shared" in out
    assert "0 found in the store, 42 to do" in out and "train lora" in out
    assert "short measurement on this machine" in out, "nothing is in the store that an estimate could be made from"
    assert list(read_records(tmp_path / "out", on_fault=pytest.fail)) == []


def test_a_flipped_byte_in_a_state_is_noticed_and_the_record_comes_out_the_same(capsys, suite_file, tmp_path):
    outcome_of(capsys, *run_arguments(suite_file, tmp_path / "a"))
    state = next((tmp_path / "home" / "units").glob("*/state/adapter.safetensors"))
    content = bytearray(state.read_bytes())
    content[-1] ^= 1
    state.write_bytes(bytes(content))
    status, _, err = outcome_of(capsys, *run_arguments(suite_file, tmp_path / "b"))
    assert status == 0
    assert "is damaged" in err
    assert told(tmp_path / "a") == told(tmp_path / "b")


def start(*arguments, **more):
    command = [sys.executable, "-m", "cpbench.benchmark.cli.main", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


@pytest.mark.slow
def test_killed_in_the_middle_and_started_again_the_record_is_the_same(capsys, tmp_path, monkeypatch):
    """SIGKILL twice, each time when some more units are there."""
    suite_file = write_suite(tmp_path, training={"steps": 40, "batch": 2, "pictures": 2})
    outcome_of(capsys, *run_arguments(suite_file, tmp_path / "whole"))
    monkeypatch.setenv("CPBENCH_HOME", str(tmp_path / "other"))
    for enough in (4, 9):
        process = start(*run_arguments(suite_file, tmp_path / "killed"))
        while process.poll() is None and len(list((tmp_path / "other" / "units").glob("*/unit.json"))) < enough:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.communicate()
    assert outcome_of(capsys, *run_arguments(suite_file, tmp_path / "killed"))[0] == 0
    assert told(tmp_path / "killed") == told(tmp_path / "whole")


def test_interrupted_by_ctrl_c_it_says_so_without_a_traceback(suite_file, tmp_path):
    # Started in the background of a script, this test inherits an ignored SIGINT: a terminal's user does not.
    heeded = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    process = start(*run_arguments(suite_file, tmp_path / "out"), preexec_fn=heeded)
    while process.poll() is None and not list((tmp_path / "home" / "units").glob("*/unit.json")):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert "the same command continues" in err
    assert "Traceback" not in err


def refusals(suite_file, tmp_path):
    concept = [{"name": "rex", "noun": "dog", "folder": "rex"}]
    for name in ("missing", "empty", "unreadable", "prompt"):
        (tmp_path / name).mkdir()
    (tmp_path / "empty" / "rex").mkdir()
    (tmp_path / "unreadable" / "rex").mkdir()
    (tmp_path / "unreadable" / "rex" / "a.jpg").write_bytes(b"\xff\xd8no")
    missing = write_suite(tmp_path / "missing", training=None)
    empty = write_suite(tmp_path / "empty", concepts=concept)
    unreadable = write_suite(tmp_path / "unreadable", concepts=concept)
    prompt = write_suite(tmp_path / "prompt", prompts={"train": "a cat", "evaluation": ["a {}"]})
    out = tmp_path / "out"
    return {
        "unknown method": (run_arguments(suite_file, out, methods="dcs"), "did you mean dsc"),
        "no method": (run_arguments(suite_file, out, methods=","), "name at least one"),
        "lost suite file": (run_arguments("lost.yaml", out), "lost.yaml: there is no such file of a suite"),
        "unknown suite": (run_arguments("toybox-7", out), "did you mean toybox-"),
        "missing field": (run_arguments(missing, out), "field 'training' is missing"),
        "empty folder": (run_arguments(empty, out), "no pictures"),
        "unreadable picture": (run_arguments(unreadable, out), "a.jpg: not a readable picture"),
        "no placeholder": (run_arguments(prompt, out), "placeholder"),
        "no orders": (run_arguments(suite_file, out, "--orders", 0), "number from 1 to 2"),
        "no lengths": (run_arguments(suite_file, out, "--lengths", "3"), "numbers from 1 to 2"),
        "no jobs": (run_arguments(suite_file, out, "--jobs", 0), "--jobs 0: give a whole number from 1 to"),
        "no hours": (run_arguments(suite_file, out, "--max-hours", 0), "--max-hours 0.0: give a number above 0"),
        "unknown executor": (run_arguments(suite_file, out, "--executor", "slurm"), "local or ray"),
        "address without ray": (run_arguments(suite_file, out, "--address", "auto"), "add --executor ray"),
        "no seeds": (run_arguments(suite_file, out, "--seeds", 0), "--seeds 0: give a whole number from 1 to"),
        "unknown device": (run_arguments(suite_file, out, "--device", "tpu"), "not available"),
        "unknown dtype": (run_arguments(suite_file, out, "--dtype", "int8"), "choose one of"),
        "unknown option": (run_arguments(suite_file, out, "--set", "lora.rnk=3"), "its options"),
        "setting without value": (run_arguments(suite_file, out, "--set", "lora.rank"), "section.option=value"),
        "unknown backbone": (run_arguments(suite_file, out, "--backbone", str(tmp_path)), "has no model_index.json"),
        "no records": (("report", "--results", out, "--out", tmp_path / "r"), "cpbench run"),
        "unknown run": (("show", "ffff", "--results", out), "start with 'ffff'"),
        "unknown list": (("list", "method"), "did you mean methods"),
    }


CASES = (
    *(
        "unknown method",
        "no method",
        "lost suite file",
        "unknown suite",
        "missing field",
        "empty folder",
        "unreadable picture",
    ),
    *("no lengths", "no jobs", "no hours", "unknown executor", "address without ray"),
    *("no placeholder", "no orders", "no seeds", "unknown device", "unknown dtype", "unknown option"),
    *("setting without value", "unknown backbone", "no records", "unknown run", "unknown list"),
)


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_refused_in_one_sentence_with_status_2(capsys, suite_file, tmp_path, case):
    arguments, sentence = refusals(suite_file, tmp_path)[case]
    status, _, err = outcome_of(capsys, *arguments)
    assert status == 2
    assert sentence in err
    assert len(err.strip().splitlines()) == 1, err
    assert not list((tmp_path / "home").glob("units/*/unit.json"))


def test_an_unwritable_home_is_refused_with_what_to_do(capsys, suite_file, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CPBENCH_HOME", str(tmp_path / "file" / "home"))
    status, _, err = outcome_of(capsys, *run_arguments(suite_file, tmp_path / "out"))
    assert status == 2
    assert "set CPBENCH_HOME" in err


def test_weights_with_a_wrong_checksum_are_refused_with_the_file(capsys, tmp_path, monkeypatch):
    from cpbench.benchmark.toybox import weights

    shutil.copytree(weights.weights_folder(), tmp_path / "weights")
    with (tmp_path / "weights" / "unet.safetensors").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x01")
    monkeypatch.setattr(weights, "weights_folder", lambda: tmp_path / "weights")
    status, _, err = outcome_of(capsys, "run", "--methods", "lora", "--suite", "toybox-2", "--out", tmp_path / "out")
    assert status == 2
    assert "unet.safetensors" in err and "checksum" in err


@pytest.mark.parametrize("what", ["methods", "suites", "backbones", "metrics"])
def test_lists_can_be_read_by_people_and_by_scripts(capsys, what):
    status, out, _ = outcome_of(capsys, "list", what)
    assert status == 0
    assert out.strip()
    _, out, _ = outcome_of(capsys, "list", what, "--json")
    assert len(json.loads(out)) > 2


def test_help_has_an_example_for_every_command():
    from cpbench.benchmark.cli.main import app

    for command in app.registered_commands:
        assert "Example: cpbench" in command.callback.__doc__, command.callback.__name__


def test_a_report_that_is_stale_is_told_so_with_status_3(capsys, tmp_path):
    from cpbench.benchmark.records.result import write_result
    from synthetic import record

    write_result(tmp_path / "results", record())
    arguments = ("report", "--results", tmp_path / "results", "--out", tmp_path / "out", "--only", "tables")
    assert outcome_of(capsys, *arguments)[0] == 0
    status, out, _ = outcome_of(capsys, *arguments, "--check")
    assert status == 0 and "4 files" in out and "up to date" in out
    write_result(tmp_path / "results", record(seed=1))
    status, _, err = outcome_of(capsys, *arguments, "--check")
    assert status == 3 and "is stale: leaderboard.md" in err
    (tmp_path / "out" / "leaderboard.csv").unlink()
    assert "leaderboard.csv" in outcome_of(capsys, *arguments, "--check")[2]


def test_files_of_runs_that_are_gone_are_told_by_the_check_and_removed_by_the_next_report(capsys, tmp_path):
    from cpbench.benchmark.records.result import write_result
    from synthetic import record

    kept, gone = (write_result(tmp_path / "results", record(seed=seed)) for seed in (0, 1))
    out, foreign = tmp_path / "out", tmp_path / "out" / "site" / "runs" / "mine.html"
    arguments = ("report", "--results", tmp_path / "results", "--out", out)
    assert outcome_of(capsys, *arguments)[0] == 0
    foreign.write_text("mine")
    (out / "leaderboard.txt").write_text("mine")
    page = out / "site" / "runs" / f"{gone.stem}.html"
    gone.unlink()
    assert outcome_of(capsys, *arguments, "--only", "tables")[0] == 0
    assert page.exists(), "tables alone were asked for"
    status, _, err = outcome_of(capsys, *arguments, "--only", "site", "--check")
    assert status == 3 and page.exists()
    assert outcome_of(capsys, *arguments)[0] == 0
    assert not page.exists() and not (out / "site" / "data" / gone.name).exists()
    assert (out / "site" / "data" / kept.name).exists() and foreign.exists() and (out / "leaderboard.txt").exists()
    assert outcome_of(capsys, *arguments, "--check")[0] == 0
    page.write_text("left over")
    contents = out / "contents.json"
    contents.write_text(contents.read_text().replace('"site": [', f'"site": ["site/runs/{page.name}",'))
    status, _, err = outcome_of(capsys, *arguments, "--check")
    assert status == 3 and f"{page.name} (left over)" in err


def test_a_report_loads_no_torch(tmp_path):
    from cpbench.benchmark.records.result import write_result
    from synthetic import record

    write_result(tmp_path / "results", record())
    code = "import sys, atexit; atexit.register(lambda: print('torch' in sys.modules)); "
    code += "from cpbench.benchmark.cli.main import main; main()"
    arguments = ("report", "--results", tmp_path / "results", "--out", tmp_path / "out")
    done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "False"


def test_two_runs_are_told_apart_and_those_that_may_not_be_compared_are_named_so(capsys, tmp_path):
    from cpbench.benchmark.records.result import write_result
    from synthetic import record

    results = [record("lora"), record("dsc"), record("dsc", suite_hash="e" * 16)]
    a, b, c = (write_result(tmp_path / "results", r).stem for r in results)
    folder = ("--results", tmp_path / "results")
    status, out, _ = outcome_of(capsys, "diff", a, b, *folder)
    assert status == 0 and "this is what is compared" in out and "plasticity" in out
    status, out, _ = outcome_of(capsys, "diff", a, c, *folder)
    assert status == 0 and "may not be compared" in out and "plasticity" not in out
    assert json.loads(outcome_of(capsys, "diff", b, c, *folder, "--json")[1])[0]["what"] == "suite"
    assert outcome_of(capsys, "diff", a, "zz", *folder)[0] == 2
