"""Methods and metrics of the package in tests/broken, which break the contract each in one way: what is reported."""

import math
import pickle
import re
import sys
from multiprocessing import Pipe
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import outcome_of, status_of, write_suite
from cpbench.benchmark.checks import contract
from cpbench.benchmark.checks.conformance import ContractChecks, examine
from cpbench.benchmark.errors import FailedRun, Faulty
from cpbench.benchmark.owners import owner_of
from cpbench.benchmark.plan.units import Classify, Draw, Train
from cpbench.benchmark.protocol import unwatched
from cpbench.benchmark.records.reading import read_records
from cpbench.benchmark.run.pool import Pool, _Process
from cpbench.benchmark.run.runner import Runner
from cpbench.benchmark.run.worker import attempt
from cpbench.benchmark.scoring.metrics import Cell, rows
from cpbench.benchmark.scoring.profiles import load_profile
from cpbench.benchmark.scoring.returned import wrong_values
from cpbench.benchmark.storage.store import Store
from cpbench.benchmark.suite.spec import load_suite
from cpbench.methods.registry import choose

TRACEBACK = r"; the traceback is in (\S+)\.$"
FOLDER = Path(__file__).parent / "broken"
HERE, DEEP = (str(FOLDER / "broken_pictures" / name) for name in ("__init__.py", "deep.py"))
(RAISED,) = [n for n, line in enumerate(Path(DEEP).read_text().splitlines(), 1) if "that messages name" in line]
(LIBRARY,) = [n for n, line in enumerate(Path(DEEP).read_text().splitlines(), 1) if "this line, too" in line]

RETURNED = {
    "learn-none": "learn .* returned None; it must return a dict of finite numbers",
    "learn-list": r"learn .* returned \[.*\(list\)",
    "learn-nan": r"learn .* returned the figure 'spring' = nan \(float\)",
    "learn-text": r"learn .* returned the figure 'spring' = 'strong' \(str\)",
    "learn-tensor": r"learn .* returned the figure 'spring' = tensor\(1\.\) \(Tensor\)",
    "draw-none": r"generate .* returned None; it must return a numpy array of uint8 of shape \(4, 64, 64, 3\)",
    "draw-fewer": r"generate .* returned an array of uint8 of shape \(3, 64, 64, 3\)",
    "draw-small": r"generate .* returned an array of uint8 of shape \(4, 32, 32, 3\)",
    "draw-floats": r"generate .* returned an array of float64 of shape \(4, 64, 64, 3\)",
    "draw-planes": r"generate .* returned an array of uint8 of shape \(4, 3, 64, 64\)",
    "draw-list": r"generate .* returned \[.*\(list\)",
    "draw-tensor": r"generate .* returned a Tensor of shape \(4, 64, 64, 3\)",
    "explain-short": r"explain .* returned an array of float64 of shape \(\d+,\); .* \d+ finite numbers for \d+ ",
    "explain-nan": r"explain .* returned \d+ of \d+ numbers that are not finite",
    "count-none": "trainable .* returned None; it must return an int",
    "count-float": r"trainable .* returned 3\.5 \(float\)",
    "inspect-none": "inspect .* returned None; it must return a dict",
    "save-pickle": r"save .* wrote state\.bin, which holds pickled objects; it must write .* plain files",
    "save-torch": r"save .* wrote state\.pt, which holds pickled objects",
    "save-objects": r"save .* wrote a\.npy, which holds pickled objects",
    "save-link": "save .* wrote link, which is no plain file",
    "save-nothing": "save .* wrote no file",
    "make-none": r"the factory .* returned None, which has no learn\(\) and no generate\(\)",
    "make-half": r"the factory .* which has no save\(\) and no load\(\); it must return an object with learn",
}
RAISING = {
    "learn-raises": "KeyError: 'momentum', raised in learn of",
    "learn-library": "JSONDecodeError: .*, raised in learn of",
    "learn-exits": "SystemExit: 0, raised in learn of",
    "learn-refuses": "nothing suits it, raised in learn of",
    "learn-ticks": "TypeError: watch was called with step 3 .* of 2 .*, raised in learn of",
    "learn-chats": "TypeError: watch was called with 'almost done' .*, raised in learn of",
    "draw-raises": "RuntimeError: no such prompt, raised in generate of",
    "load-raises": "ValueError: a state of version 1, raised in load of",
    "make-raises": "ZeroDivisionError: no layers, raised in the factory of",
}
METRICS = {
    "wide": r"returned float64 of shape \(4, 3\); it must return 4 finite numbers for 4 pictures",
    "short": r"returned float64 of shape \(5,\)",
    "text": "returned <U4",
    "mixed": "returned <U32",
    "complex_": "returned complex128",
    "infinite": "is infinite for 4 of 4 pictures",
    "nan": "is NaN",
    "raising": "IndexError: no such picture, raised in metric 'raising' ",
}


@pytest.fixture(scope="module", autouse=True)
def installed():
    """The package is found by imports, as if pip had installed it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        patch.setenv("PYTHONPATH", str(FOLDER))
        yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "broken_pictures"]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def runner(pristine, tmp_path_factory):
    """A runner with the state of a sound method in its store, under the key ``sound``."""
    folder = tmp_path_factory.mktemp("home")
    made = Runner(load_suite(str(write_suite(folder))), Store(folder / "units", print), pristine, None)
    made.do(Train("sound", choose("lora", {})[0], made.suite.concepts[0], 1, None, 0, ""), unwatched)
    return made


def error_of(name, runner):
    """How the unit that a broken method fails at ends."""
    (chosen,), concepts = choose(name, {}), runner.suite.concepts
    if name.startswith("draw"):
        unit = Draw(name, chosen, concepts[:1], 1, "sound", runner.suite.prompts.evaluation, 2, 0, "")
    elif name.startswith("explain"):
        unit = Classify(name, chosen, concepts, 1, "sound", "")
    else:
        unit = Train(name, chosen, concepts[1], 2, "sound", 0, "")
    ended = attempt(unit, runner, lambda event: None)
    assert ended.fate == "failed" and pickle.loads(pickle.dumps(ended.error)) == ended.error
    return ended.error


@pytest.mark.parametrize("name", [*RETURNED, *RAISING])
def test_a_broken_method_is_named_with_its_package_its_call_and_its_line(name, runner):
    error = error_of(name, runner)
    assert re.search((RETURNED | RAISING)[name], error), error
    assert f"method '{name}' (broken-pictures 2.0) at {FOLDER}" in error and error.startswith(f"{name}: ")
    assert error.count("\n") == 0 and error.endswith(".") and ".." not in error.replace("...", "")
    kept = Path(re.search(TRACEBACK, error)[1])
    assert kept == runner.store.folder.parent / "tracebacks" / f"{name}.txt"
    assert "Traceback (most recent call last)" in kept.read_text() and error.partition(";")[0] in kept.read_text()
    assert not list(runner.store.folder.glob(f"{name}*")), "nothing half done stays in the store"


PLACES = {"learn-raises": RAISED, "learn-exits": RAISED, "learn-library": LIBRARY}


@pytest.mark.parametrize(("name", "line"), PLACES.items())
def test_an_error_is_placed_at_the_innermost_line_of_the_package_itself(name, line, runner):
    assert f" at {DEEP}, line {line};" in error_of(name, runner)


def test_what_a_method_returns_is_placed_where_the_call_is_defined(runner):
    lines = Path(HERE).read_text().splitlines()
    line = int(re.search(rf"{re.escape(HERE)}, line (\d+) returned None", error_of("learn-none", runner))[1])
    assert "lambda *given" in lines[line - 1]


def test_an_error_of_a_method_of_cpbench_has_its_line_too_and_a_success_removes_the_traceback(runner, monkeypatch):
    (lora,) = choose("lora", {})
    unit = Train("again", lora, runner.suite.concepts[1], 2, "sound", 0, "")
    with monkeypatch.context() as patch:
        patch.setattr("cpbench.methods.learner.changes", lambda delta: delta[0])
        error = attempt(unit, runner, lambda event: None).error
    assert re.search(r"KeyError: 0, raised in learn of method 'lora' \(cpbench\) at .*, line \d+; the traceback", error)
    assert runner.store.traceback("again").is_file()
    assert attempt(unit, runner, lambda event: None).fate == "done"
    assert not runner.store.traceback("again").exists()


@pytest.mark.parametrize("name", [*RETURNED, *RAISING])
def test_the_contract_finds_it(name, tmp_path):
    (chosen,) = choose(name, {})
    checks = ContractChecks(chosen.make, tmp_path, owner=owner_of(name, chosen.options))
    fault = examine(ContractChecks.lawful, checks)
    assert f"method '{name}' (broken-pictures 2.0) at {FOLDER}" in fault


# --- commands ---------------------------------------------------------------------------------------------------------


PROMPTS = {"train": "photo of a {}", "evaluation": ["photo of a {}", "a photo of a {} at night"]}


def run(folder, names, *more):
    suite = write_suite(folder, prompts=PROMPTS)
    arguments = ("--methods", names, "--suite", suite, "--out", folder / "results", "--threads", 1, "--quiet")
    return status_of("run", *arguments, *more)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """One run of two broken methods and a sound one: its folder, its status, and the errors of records by method."""
    folder = tmp_path_factory.mktemp("broken")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CPBENCH_HOME", str(folder / "home"))
        status = run(folder, "learn-raises,draw-small,lora")
    records = [r for _, r in read_records(folder / "results", on_fault=pytest.fail)]
    return folder, status, {r.run.method: r.error for r in records}


def test_a_run_with_broken_methods_ends_with_status_1_and_the_others_are_done(ran):
    folder, status, errors = ran
    assert status == 1
    assert errors.keys() == {"learn-raises", "draw-small", "lora"} and errors["lora"] is None
    for name in ("learn-raises", "draw-small"):
        assert re.search((RETURNED | RAISING)[name], errors[name])
        assert Path(re.search(TRACEBACK, errors[name])[1]).parent == folder / "home" / "tracebacks"


def test_tracebacks_are_counted_by_gc_and_removed_by_it(ran, monkeypatch, capsys):
    monkeypatch.setenv("CPBENCH_HOME", str(ran[0] / "home"))
    count = len(list((ran[0] / "home" / "tracebacks").iterdir()))
    status, out, _ = outcome_of(capsys, "gc", "--dry-run")
    assert status == 0 and re.search(rf"tracebacks\s+{count}\b", out) and count >= 2


# --- metrics ----------------------------------------------------------------------------------------------------------


def cell():
    pictures = np.zeros((4, 2, 2, 3), np.uint8)
    return Cell("concept", pictures, np.array([0, 0, 1, 1]), np.ones((4, 3)))


@pytest.mark.parametrize("name", METRICS)
def test_a_broken_metric_is_named_with_its_package_and_its_line(name):
    with pytest.raises(Faulty, match=METRICS[name]) as caught:
        list(rows(name, cell(), load_profile("toybox")))
    assert f"metric '{name}' (broken-pictures 2.0) at {FOLDER}" in str(caught.value)


def test_scoring_with_a_broken_metric_leaves_the_record_as_it_was(ran, monkeypatch, capsys):
    folder = ran[0]
    monkeypatch.setenv("CPBENCH_HOME", str(folder / "home"))
    (run,) = [r.run.id for _, r in read_records(folder / "results", on_fault=pytest.fail) if r.status == "ok"]
    (record,) = (folder / "results").rglob(f"*{run}*.json")
    before = record.read_bytes()
    arguments = (
        "--metrics",
        "wide",
        "--suite",
        write_suite(folder, prompts=PROMPTS),
        "--results",
        folder / "results",
        "--quiet",
    )
    status, _, err = outcome_of(capsys, "score", run, *arguments)
    assert status == 1 and re.search(METRICS["wide"], err), err
    assert Path(re.search(r"the traceback is in (\S+)\.\s", err)[1]).is_file()
    assert record.read_bytes() == before


def test_a_metric_under_another_name_than_its_entry_point_is_refused_before_any_work(capsys):
    status, _, err = outcome_of(capsys, "conformance", "--metric", "renamed")
    assert status == 2
    assert "metric 'renamed' (broken-pictures 2.0) has the name 'another'; give it the name of its entry point" in err


@pytest.mark.parametrize("name", [*METRICS, "never", "moody", "greedy"])
def test_the_contract_of_metrics_finds_it(name, capsys):
    status, out, err = outcome_of(capsys, "conformance", "--metric", name, "--json")
    assert status == 1 and f"metric '{name}' breaks the contract" in err
    assert '"good": false' in out


@pytest.mark.parametrize("name", ["mmd", "drift_kid", "image_align", "identity", "multi_align", "diversity", "copying"])
def test_metrics_of_cpbench_keep_the_contract_of_metrics(name, capsys):
    status, out, _ = outcome_of(capsys, "conformance", "--metric", name, "--json")
    assert status == 0 and '"good": false' not in out


# --- several processes ------------------------------------------------------------------------------------------------


def test_a_factory_that_cannot_be_sent_to_another_process_is_named(runner):
    ours, theirs = Pipe()
    pool = Pool(None, 1, [_Process(None, None, ours)])
    unit = Train("a", choose("learn-none", {})[0], runner.suite.concepts[0], 1, None, 0, "")
    with pytest.raises(FailedRun, match=r"learn-none: learn mallow \(task 1\): the factory .* cannot be sent"):
        pool.start(unit, lambda event: None)
    ours.close(), theirs.close()


@pytest.mark.slow
def test_other_processes_report_the_same(tmp_path):
    assert run(tmp_path, "make-raises", "--jobs", 2) == 1
    ((_, record),) = read_records(tmp_path / "results", on_fault=pytest.fail)
    place = f"at {DEEP}, line {RAISED};"
    assert f"raised in the factory of method 'make-raises' (broken-pictures 2.0) {place}" in record.error


# --- the pure functions -----------------------------------------------------------------------------------------------

ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.complex_numbers()
NESTED = st.recursive(ANYTHING, lambda inner: st.lists(inner) | st.dictionaries(ANYTHING, inner) | st.tuples(inner))


@given(NESTED)
def test_figures_are_accepted_if_and_only_if_they_are_finite_numbers_by_name(found):
    def sound(value):
        return type(value) in (int, float) and math.isfinite(value)

    right = isinstance(found, dict) and all(type(k) is str and sound(v) for k, v in found.items())
    assert (contract.wrong_figures(found) is None) == right


@given(NESTED)
def test_whatever_is_returned_in_the_place_of_something_else_is_told_in_one_line(found):
    for fault in (contract.wrong_pictures(found, (1, 2, 2, 3)), contract.wrong_errors(found, 2)):
        assert fault.startswith("returned ") and len(fault) < 200
    assert (contract.wrong_count(found) is None) == (type(found) is int and found >= 0)
    assert contract.wrong_tick(found)


@given(st.lists(st.floats(), max_size=4), st.integers(0, 4))
def test_values_of_a_metric_are_one_finite_number_or_one_per_picture(values, n):
    right = len(values) == n and all(map(math.isfinite, values))
    assert (wrong_values(values, n) is None) == right == (wrong_values(np.array(values), n) is None)
    assert all((wrong_values(value, n) is None) == math.isfinite(value) for value in values)


def test_a_header_of_safetensors_that_begins_like_a_pickle_is_none(tmp_path):
    (tmp_path / "w.safetensors").write_bytes(b"\x80\x02" + b"\0" * 6 + b"{" + b" " * 638 + b"}.")
    assert contract.wrong_files(tmp_path) is None
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "w.bin").write_bytes(b"\x80\x04N.")
    assert contract.wrong_files(tmp_path) == "wrote sub/w.bin, which holds pickled objects"


def test_a_state_without_files_is_right_only_for_a_method_that_trains_nothing(tmp_path):
    assert contract.wrong_files(tmp_path) is None
    assert contract.wrong_files(tmp_path, empty=False) == "wrote no file"
    assert issubclass(Faulty, Exception)
