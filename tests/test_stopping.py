"""Ctrl-C and SIGTERM: who answers them, and until when."""

import os
import signal
import subprocess
import sys

import pytest

from cpbench.benchmark.run.signals import answered


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_answered_within_the_block_and_as_before_after_it(number):
    before, heard = signal.getsignal(number), []
    with answered(lambda *seen: heard.append(seen[0])):
        os.kill(os.getpid(), number)
    assert heard == [number]
    assert signal.getsignal(number) == before


def test_the_inner_answer_comes_first_and_the_outer_one_returns():
    heard = []
    with answered(lambda *_: heard.append("outer")):
        with answered(lambda *_: heard.append("inner")):
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
    assert heard == ["inner", "outer"]


def test_a_signal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with answered(lambda *_: pytest.fail("it was ignored before")):
            os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


HIT_WHILE_IMPORTING = """
import os, sys
from cpbench.benchmark.run.signals import answered, stopper

with answered(stopper(patience=300)):
    try:
        import imported_late
        for _ in range(10**9):
            pass
    except KeyboardInterrupt:
        print("stopped after", sorted(sys.modules["imported_late"].seen))
"""
LATE = """
import os, signal, time
seen = ["begun"]
os.kill(os.getpid(), signal.{name})
time.sleep(0.2)
seen.append("ended")
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_that_hits_an_import_is_answered_after_it(tmp_path, name):
    (tmp_path / "imported_late.py").write_text(LATE.format(name=name))
    call = [sys.executable, "-c", HIT_WHILE_IMPORTING]
    done = subprocess.run(call, capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert (done.stdout, done.stderr) == ("stopped after ['begun', 'ended']\n", "")


def test_an_import_that_does_not_end_is_cut_off_after_a_while_and_once(tmp_path):
    (tmp_path / "imported_late.py").write_text(LATE.format(name="SIGINT").replace("0.2", "3600"))
    code = HIT_WHILE_IMPORTING.replace('sorted(sys.modules["imported_late"].seen)', "time.sleep(0.3)")
    code = code.replace("patience=300", "patience=0.5")
    call = [sys.executable, "-c", f"import time\n{code}\nprint('and nothing more')"]
    done = subprocess.run(
        call, capture_output=True, text=True, cwd=tmp_path, timeout=300
    )  # the import would take an hour
    assert done.stderr == "" and done.stdout.endswith("and nothing more\n")


CALLED = """
import os, signal
from cpbench.benchmark.run.signals import answered, stopper

with answered(stopper()):
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        print("stopped")
"""


def test_what_a_module_calls_while_it_is_imported_itself_is_stopped_at_once(tmp_path):
    (tmp_path / "calls.py").write_text(CALLED)
    call = [sys.executable, "-c", "import calls"]
    done = subprocess.run(call, capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert (done.stdout, done.stderr) == ("stopped\n", "")


HIT_WHILE_LOADING = """
import os, signal
from cpbench.benchmark.cli.main import end_process
from cpbench.benchmark.run.signals import answered

with answered(end_process):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        print("a library would see an exception")
"""


def test_where_no_command_answers_one_sentence_is_printed_and_the_process_ends_without_an_exception():
    done = subprocess.run([sys.executable, "-c", HIT_WHILE_LOADING], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "cpbench: interrupted.\n")


HIT_WHILE_STARTING = """
import os, signal
from multiprocessing import get_context
from cpbench.benchmark.run.signals import answered, deaf, uninterrupted

def early(pipe):
    os.kill(os.getpid(), signal.SIGINT)  # as if it were hit while it still imports
    deaf()
    os.kill(os.getpid(), signal.SIGINT)
    pipe.send("alive")

if __name__ == "__main__":
    context, heard = get_context("spawn"), []
    ours, theirs = context.Pipe()
    with answered(lambda *seen: heard.append(seen[0])):
        with uninterrupted():
            child = context.Process(target=early, args=(theirs,))
            child.start()
            os.kill(os.getpid(), signal.SIGINT)
            assert heard == []
        assert heard == [signal.SIGINT]
    assert ours.poll(200) and ours.recv() == "alive"
    child.join()
    assert child.exitcode == 0
"""


def test_ctrl_c_while_processes_start_reaches_the_parent_alone_and_is_not_lost(tmp_path):
    script = tmp_path / "starting.py"
    script.write_text(HIT_WHILE_STARTING)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""


def test_a_signal_while_python_ends_the_process_does_not_change_the_status():
    """Python resets how signals are answered before the last destructors run."""
    code = (
        "import os, signal, sys; sys.argv[1:] = ['--version']\n"
        "class Late:\n"
        "    def __del__(self, kill=os.kill, pid=os.getpid(), term=signal.SIGTERM): kill(pid, term)\n"
        "sys.modules['late'] = Late()\n"
        "import atexit; atexit.register(os.kill, os.getpid(), signal.SIGTERM)\n"
        "from cpbench.benchmark.cli.main import main; main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done
