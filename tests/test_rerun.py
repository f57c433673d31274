"""The command that a run's page prints makes that very run."""

import dataclasses
import shlex

import pytest

from conftest import CODE
from cpbench.benchmark.cli.console import parse_settings
from cpbench.benchmark.plan.grid import Grid, lengths_of, orders_of
from cpbench.benchmark.plan.planner import Planner
from cpbench.benchmark.scoring.profiles import load_profile
from cpbench.benchmark.suite.spec import load_suite
from cpbench.methods.registry import choose
from cpbench.reports.site.rerun import command, remarks
from synthetic import entry


def planner(suite, backbone="toybox", device="cpu", dtype="float32", protocol="final"):
    return Planner(
        suite, load_profile(suite.evaluation.profile), backbone, "w", device, dtype, {"e": "1"}, protocol, code=CODE
    )


def recorded(method, order, seed, settings=(), **changes):
    """A run of toybox-6 as a report sees it."""
    made = planner(load_suite("toybox-6"), **changes)
    run = made.run(choose(method, dict(settings))[0], order, seed).run
    return dataclasses.replace(entry(), run=run)


def planned(text):
    """The ids of all runs that a command would make."""
    words = shlex.split(text)
    assert words[:2] == ["cpbench", "run"]
    pairs = list(zip(words[2::2], words[3::2], strict=True))
    given, settings = dict(pairs), [value for key, value in pairs if key == "--set"]
    suite = load_suite(given["--suite"])
    grid = Grid(
        choose(given["--methods"], parse_settings(settings)),
        orders_of(suite, given["--orders"]),
        lengths_of(suite, given.get("--lengths")),
        range(int(given["--seeds"])),
    )
    made = planner(suite, given["--backbone"], given["--device"], given["--dtype"], given["--protocol"])
    return {plan.run.id for plan in grid.plans(made)}


@pytest.mark.parametrize(
    "run",
    [
        recorded("lora", (0, 1, 2, 3, 4, 5), 0),
        recorded("dsc", (5, 2), 0),
        recorded("clora", (3, 1, 0), 2, {"clora.strength": "17.5", "learner.use_noun": "true"}, protocol="full"),
        recorded("base", (1, 0, 2, 3, 5, 4), 1, device="cuda", dtype="bfloat16"),
    ],
)
def test_the_plan_of_the_printed_command_holds_the_run(run):
    assert run.run.id in planned(command(run))


def test_a_run_of_all_concepts_with_the_first_seed_needs_no_remark():
    run = recorded("lora", (0, 1, 2, 3, 4, 5), 0)
    assert remarks(run) == [] and "--lengths" not in command(run)


def test_what_the_command_cannot_express_is_written_beside_it():
    run = recorded("lora", (0, 1), 3)
    other = dataclasses.replace(run, run=run.run.model_copy(update={"profile": "dreambooth"}))
    assert "lower seeds" in remarks(run)[0]
    assert "cpbench score --profile dreambooth" in remarks(other)[1]
    unknown = dataclasses.replace(run, run=run.run.model_copy(update={"suite_hash": "0" * 16}))
    assert "toybox-6.yaml" in remarks(unknown)[0] and "--suite toybox-6.yaml" in command(unknown)
