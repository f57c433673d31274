"""The GitHub action: its scripts, run by bash in a folder with a ``cpbench`` that only notes how it was called."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
ACTION = yaml.safe_load((ROOT / ".github" / "actions" / "check" / "action.yml").read_text())
STEPS = ACTION["runs"]["steps"]
STUB = """#!/usr/bin/env bash
echo "$*" >> calls
for k in "$@"; do if [ "$last" = --markdown ]; then echo "# cpbench check of $1" > "$k"; fi; last=$k; done
if [ "$1" = run ]; then mkdir -p .cpbench-baseline; fi
case "$* " in *"$FAILS "*) exit 3 ;; esac
"""


class Workflow:
    """What GitHub does with the steps of the action: it fills in inputs and outputs, and evaluates conditions."""

    def __init__(self, folder, **inputs):
        self.folder = folder
        self.values = {f"inputs.{name}": str(i.get("default", "")) for name, i in ACTION["inputs"].items()}
        self.values |= {f"inputs.{name}": value for name, value in inputs.items()}
        self.summary, self.output = folder / "summary", folder / "output"
        (folder / "bin").mkdir(exist_ok=True)
        (folder / "bin" / "cpbench").write_text(STUB)
        (folder / "bin" / "cpbench").chmod(0o755)

    def run(self, fails="--nothing"):
        """The status of the first script that fails, else 0, and the other actions that were used."""
        used = []
        (self.folder / "calls").unlink(missing_ok=True)
        self.summary.unlink(missing_ok=True)
        for step in STEPS:
            if not self.holds(step.get("if", "'' == ''")):
                continue
            if "uses" in step:
                used.append((step["uses"], {k: self.filled(v) for k, v in step["with"].items()}))
            elif status := self.script(step, fails):
                return status, used
        return 0, used

    def script(self, step, fails):
        self.output.write_text("")
        env = {name: self.filled(text) for name, text in step.get("env", {}).items()}
        env |= {"GITHUB_OUTPUT": str(self.output), "GITHUB_STEP_SUMMARY": str(self.summary), "FAILS": fails}
        env["PATH"] = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        done = subprocess.run(shell, cwd=self.folder, env=env, check=False)
        for line in self.output.read_text().splitlines():
            name, _, value = line.partition("=")
            self.values[f"steps.{step['id']}.outputs.{name}"] = value
        return done.returncode

    def filled(self, text):
        return re.sub(r"\$\{\{ *([\w.]+) *\}\}", lambda m: self.values.get(m[1], ""), text)

    def holds(self, condition):
        parts = [part.split("==") for part in condition.split("&&")]
        return all(self.values.get(a.strip(), a.strip().strip("'")) == b.strip().strip("'") for a, b in parts)

    @property
    def calls(self):
        return [line.split() for line in (self.folder / "calls").read_text().splitlines()]


def option(call, name):
    return call[call.index(name) + 1]


def test_on_a_pull_request_fingerprints_alone_are_compared_and_no_cache_is_used(tmp_path):
    flow = Workflow(tmp_path, methods="lora", fast="true")
    assert flow.run() == (0, [])
    (call,) = flow.calls
    assert call[:2] == ["check", "--fast"] and option(call, "--methods") == "lora" and "--fingerprints" not in call
    assert "check of check" in flow.summary.read_text()


def test_in_another_repository_the_first_run_makes_the_baseline_and_the_next_is_compared_with_it(tmp_path):
    flow = Workflow(tmp_path, methods="anchor", fingerprints="mine")
    status, used = flow.run()
    assert status == 0 and [what.rpartition("@")[0] for what, _ in used] == [
        "actions/cache/restore",
        "actions/cache/save",
    ]
    assert used[0][1] == used[1][1] and used[0][1]["path"] == ".cpbench-baseline"
    fast, made = flow.calls
    assert (
        option(fast, "--fingerprints") == "mine" and made[0] == "run" and option(made, "--out") == ".cpbench-baseline"
    )
    assert "No baseline yet" in flow.summary.read_text()
    status, used = flow.run()
    assert status == 0 and [what.rpartition("@")[0] for what, _ in used] == ["actions/cache/restore"]
    assert [call[0] for call in flow.calls] == ["check", "check"]
    assert option(flow.calls[1], "--against") == ".cpbench-baseline"


@pytest.mark.parametrize(("fails", "calls"), [("--fast", 1), ("--against", 2)])
def test_a_change_ends_the_job_with_status_3_after_the_summary_is_written(tmp_path, fails, calls):
    (tmp_path / ".cpbench-baseline").mkdir()
    flow = Workflow(tmp_path, methods="lora")
    assert flow.run(fails="--markdown cpbench-fingerprints.md" if calls == 1 else "--markdown cpbench-check.md")[0] == 3
    assert len(flow.calls) == calls and flow.summary.read_text().count("# cpbench check") == calls


def test_a_run_that_fails_leaves_no_baseline_in_the_cache(tmp_path):
    status, used = Workflow(tmp_path).run(fails="--out .cpbench-baseline --quiet")
    assert status == 3 and len(used) == 1


def test_records_in_the_repository_need_no_cache(tmp_path):
    (tmp_path / "results").mkdir()
    flow = Workflow(tmp_path, results="results")
    assert flow.run() == (0, [])
    assert option(flow.calls[1], "--against") == "results"


def test_caches_differ_by_method_suite_and_seeds(tmp_path):
    def key(**inputs):
        return Workflow(tmp_path, **inputs).run()[1][0][1]["key"]

    keys = [key(), key(methods="lora"), key(suite="toybox-6"), key(seeds="2")]
    assert len(set(keys)) == 4 and key() == keys[0]


def test_the_workflow_uses_the_action_with_inputs_that_it_has():
    flow = yaml.safe_load((ROOT / ".github" / "workflows" / "check.yml").read_text())
    (step,) = [s for s in flow["jobs"]["check"]["steps"] if s.get("uses", "").startswith("./")]
    assert set(step["with"]) <= set(ACTION["inputs"]) and (ROOT / step["uses"]).is_dir()
    assert {"pull_request", "schedule"} <= set(flow[True]), "'on' is a boolean in YAML 1.1"
