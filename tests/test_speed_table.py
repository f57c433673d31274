"""``cpbench speed``: its structure and its counts, never how long anything takes."""

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from diffusers import UNet2DConditionModel
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

import cpbench
from conftest import outcome_of, write_suite
from cpbench.benchmark.cli.speed import tables
from cpbench.benchmark.errors import BadInput, FailedRun
from cpbench.benchmark.plan.units import Classify, Draw, Train, gather
from cpbench.benchmark.protocol import Tick
from cpbench.benchmark.run.events import Preparing, ignored
from cpbench.benchmark.run.executors import Placement
from cpbench.benchmark.run.opening import open_session
from cpbench.benchmark.run.quiet import quiet_libraries
from cpbench.benchmark.run.session import Recipe
from cpbench.benchmark.run.sweep import do_units
from cpbench.benchmark.scoring.profiles import load_profile
from cpbench.benchmark.speed import commands, drawing, first_run, growth, paired, scoring, training
from cpbench.benchmark.speed.bench import Bench
from cpbench.benchmark.speed.growth import counts_of, exponent, fresh_bytes
from cpbench.benchmark.speed.row import Measurement, Row
from cpbench.benchmark.suite.spec import load_suite
from cpbench.benchmark.verbs import speed as verb
from cpbench.methods.registry import choose, choose_one

POSITIVE = st.floats(1e-6, 1e6)
UNITS = {"ratio", "share", "exponent", "seconds", "megabytes"}


@pytest.fixture
def bench():
    return Bench("tiny", "cpu", 1, choose_one, verb.passes_beside)


@pytest.fixture
def clock():
    """A clock that moves only when it is told to."""
    return SimpleNamespace(now=0.0)


def takes(clock, seconds, done, name):
    def work():
        clock.now += seconds
        done.append(name)

    return work


# --- the statistics -------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(POSITIVE, POSITIVE), min_size=1), st.floats(0.1, 10))
def test_ratios_lie_between_their_ends_and_depend_on_no_unit_of_time(pairs, scale):
    found = paired.ratios_of(pairs)
    assert 0 < found.least <= found.median <= found.most and found.n == len(pairs)
    scaled = paired.ratios_of([(a * scale, b * scale) for a, b in pairs])
    assert scaled.median == pytest.approx(found.median)
    swapped = paired.ratios_of([(b, a) for a, b in pairs])
    assert swapped.least == pytest.approx(1 / found.most) and swapped.most == pytest.approx(1 / found.least)


def test_no_pairs_have_no_ratio():
    with pytest.raises(ValueError, match="no values"):
        paired.ratios_of([])


def test_pairs_are_made_in_turns_after_a_warm_up_and_take_turns_in_being_first(clock):
    done = []
    a, b = takes(clock, 3.0, done, "a"), takes(clock, 2.0, done, "b")
    assert paired.paired(a, b, 3, lambda: clock.now) == [(3.0, 2.0)] * 3
    assert "".join(done) == "ab" + "ab" + "ba" + "ab"


def test_steps_of_a_phase_alternate_with_other_work_and_the_first_ones_do_not_count(clock):
    done = []
    watch = paired.Interleaved("learn", takes(clock, 2.0, done, "b"), lambda: clock.now)
    for k in range(paired.ticks_for(4)):
        clock.now += 100.0 if k < 3 else 3.0
        watch(Tick("learn", k + 1, 7))
    watch(Tick("inspect", 1, 1))
    assert watch.pairs == [(3.0, 2.0)] * 4 and len(done) == paired.ticks_for(4)


# --- what is measured -----------------------------------------------------------------------------------------------


def sound(row):
    return row.unit in UNITS and 0 < row.least <= row.median <= row.most and row.n >= 1 and math.isfinite(row.most)


def test_each_part_has_its_rows_with_positive_ratios(monkeypatch):
    monkeypatch.setattr(training, "METHODS", ("ti",))
    monkeypatch.setattr(training, "BATCHES", (1, 2))
    monkeypatch.setattr(training, "_STEPS", 1)
    monkeypatch.setattr(drawing, "_MOST", 2)
    few = {"ewc": {"ewc.passes": "1"}}
    monkeypatch.setattr(verb, "choose_one", lambda name, given: choose_one(name, {**given, **few.get(name, {})}))
    events = []
    found = cpbench.speed("drawing,step,fisher,dsc", repeats=1, backbone="tiny", on_event=events.append)
    assert [row.what for row in found] == [
        *(f"training step of ti, batch {batch}" for batch in (1, 2)),
        "DSC iteration, batch 4",
        "Fisher information",
        *["drawing 2 pictures at once"] * 2,
    ]
    assert all(sound(row) and row.unit == "ratio" and not row.note for row in found)
    assert [(e.done, e.of) for e in events[1:]] == [(k, 5) for k in range(5)]


def test_the_table_has_a_row_per_adapter_and_batch_and_per_command(bench):
    planned = {name: [one.what for one in part(bench)] for name, part in verb.PARTS.items()}
    assert planned["step"] == [f"training steps of {name}" for name in ("lora", "ti", "cd", "vera")]
    assert training.BATCHES == (1, 4, 8) and growth.LENGTHS == (2, 6, 12, 25, 50)
    assert len(planned["growth"]) == 2 + 4 and len(planned["drawing"]) == 2 and len(planned["scoring"]) == 4
    assert planned["cli"] == [f"cpbench {command}" for command in commands.COMMANDS]


def test_a_pass_written_by_hand_is_that_of_the_learner(bench):
    """The same weights are trained, the loss is the same for the same pictures and noise, and no weight changes."""
    method, model = bench.method("lora")
    bare, seen = training.Bare(bench, model, 2), []

    def watch(tick):
        seen.append([p.detach().clone() for p in bare.params])
        bare.step()
        assert all(np.array_equal(a, b.detach()) for a, b in zip(seen[-1], bare.params, strict=True))

    method.learn(bench.task(1, 2, 2), watch)
    assert sum(p.numel() for p in bare.params) == method.trainable()
    gradients = bare.gradients(1) if all(p.requires_grad for p in bare.params) else None
    assert gradients is None, "the token is frozen after its task"
    assert training.Bare(bench, model, 1).gradients(1).shape == (5, method.trainable() - 32)


def test_a_picture_of_the_pipeline_is_that_of_the_backbone(bench):
    model = bench.backbone
    theirs = drawing.draw(drawing.pipeline_of(model), model, ["photo of a cat", "photo of a dog"])
    ours = model.sample(["photo of a cat", "photo of a dog"], [0, 1])
    assert np.abs(255 * theirs - ours).max() < 2, "so that both do the same work"


# --- growth ---------------------------------------------------------------------------------------------------------


@given(st.floats(0.5, 3), st.floats(0.1, 100))
def test_the_exponent_of_a_power_is_found(power, factor):
    assert exponent({n: factor * n**power for n in (2, 6, 12)}) == pytest.approx(power)


def test_counts_are_exact_and_the_exponent_lies_between_those_of_neighbours(bench, monkeypatch):
    monkeypatch.setattr(growth, "LENGTHS", (2, 3, 5))
    suite = load_suite("toybox-50")
    planner, lora = growth.planner_of(suite, "final"), choose("lora", {})[0]
    units, passes = list(growth._planned(bench, suite, planner, "lora"))
    assert units.counts == {n: len(gather([planner.run(lora, tuple(range(n)), 0)])) for n in (2, 3, 5)}
    assert passes.counts[2] == 2 * 150 * 8 + (2 * 5 + 1) * (2 + 3) + 24 * 232 + 3 * 16 * 6 + 2 * 8 * 4 + 2 * (1 + 2)
    assert all(sound(row) for row in (units, passes)) and units.what == "lora, final: units"


def test_the_passes_of_a_plan_are_those_that_its_run_makes(tmp_path, monkeypatch):
    settings = {"dsc.iterations": "2", "dsc.batch": "2", "ewc.passes": "1"}
    evaluation = {"per_prompt": 1, "references": 8, "distractors": 0, "profile": "toybox"}
    suite, method = load_suite(str(write_suite(tmp_path, evaluation=evaluation))), choose_one("dsc-ewc", settings)
    recipe = Recipe(suite, tmp_path / "home", load_profile("toybox"), "tiny")
    session, made, forward = open_session(recipe, ignored), [0], UNet2DConditionModel.forward

    def counted(self, sample, *rest, **more):
        made[0] += len(sample)
        return forward(self, sample, *rest, **more)

    (plan,) = session.plan([method], [(0, 1)], [0], "full")
    monkeypatch.setattr(UNet2DConditionModel, "forward", counted)
    units = {key: unit for key, unit in gather([plan]).items() if isinstance(unit, Train | Draw | Classify)}
    assert not do_units(session, units, Placement(), ignored).errors
    planned = counts_of(plan, suite, lambda number: verb.passes_beside(method, number, suite.training.pictures))
    assert planned.passes == made[0] and planned.units == len(gather([plan]))


def test_what_a_state_shares_with_the_one_before_counts_once(bench):
    method, _ = bench.method("lora")
    adapter, token = 4 * (method.trainable() - 32), 4 * 32
    assert fresh_bytes(bench, "dsc", 2) == [2 * adapter + token, 2 * adapter + 2 * token], "the pool grows by a piece"


def test_states_that_do_not_grow_linearly_are_named_not_counted(bench, monkeypatch):
    monkeypatch.setattr(growth, "fresh_bytes", lambda *_: [1, 2, 3, 5])
    row = growth._kept(bench, "dsc")
    assert row.median is None and not row.counts and "not linear" in row.note


# --- what fails or does not apply -----------------------------------------------------------------------------------


def rivals(theirs):
    return lambda: (lambda: None, theirs)


def test_where_torchmetrics_or_its_weights_fail_the_row_has_the_reason():
    def broken():
        raise AttributeError("'Output' object has no attribute 'norm'")

    def missing():
        raise BadInput("LPIPS needs weights; fetch them.")

    row = scoring._scored("CLIP score", "CLIPScore", rivals(broken), 1)
    assert row.median is None and row.note.startswith("CLIPScore fails in torchmetrics ") and "'norm'" in row.note
    assert scoring._scored("LPIPS", "x", missing, 1).note == "LPIPS needs weights; fetch them."


def test_distances_of_the_same_features_are_compared_and_are_equal(monkeypatch):
    monkeypatch.setattr(scoring, "_ROWS", 8)
    with quiet_libraries():
        for make in (scoring._kid, scoring._fid):
            ours, theirs = make()
            assert ours() == pytest.approx(float(theirs()))
            assert sound(scoring._scored("distance", "x", make, 1))


def test_a_first_run_of_another_model_is_left_out_in_words(bench):
    bench.name = "someone/else"
    (row,) = first_run.shares(bench)
    assert row.median is None and "toybox-2" in row.note


def test_half_a_suite_has_two_of_each_at_least(suite):
    halved = first_run.half(load_suite("toybox-2"))
    assert (halved.training.steps, halved.evaluation.per_prompt, halved.evaluation.references) == (75, 2, 16)
    least = first_run.half(suite)
    assert (least.training.steps, least.evaluation.per_prompt, least.evaluation.references) == (2, 2, 2)


def test_a_command_is_measured_by_itself_and_one_that_fails_is_named():
    cost = commands.run(["-c", "import sys; assert sys.argv == ['-c']"])
    assert 0 < cost.cpu and 0 < cost.seconds and 3 < cost.megabytes < 100, "the memory of this process is not counted"
    with pytest.raises(FailedRun, match="ended with status 1: no such thing"):
        commands.run(["-c", "import sys; sys.exit('no such thing')"])


# --- the verb and the command ---------------------------------------------------------------------------------------

ROWS = [
    Row("step", "training step of lora, batch 1", "loop written by hand", "ratio", 1.01, 0.99, 1.03, 20),
    Row("scoring", "CLIP score", "torchmetrics", "ratio", note="CLIPScore fails in torchmetrics 1.9.0."),
    Row("run", "first run of lora: load", "all", "share", 0.125, 0.125, 0.125, 1, note="1.0 of 8.0 CPU seconds"),
    Row("growth", "dsc, full: passes", "plan", "exponent", 1.69, 1.5, 1.9, 2, {2: 11506, 50: 2645374}),
    Row("growth", "dsc: state bytes", "states", "exponent", 1.0, 1.0, 1.0, 2, {2: 1639936, 50: 41612800}),
    Row("cli", "cpbench --help", "fresh process", "seconds", 0.27, 0.25, 0.3, 3),
    Row("cli", "cpbench --help", "fresh process", "megabytes", 21.9, 21.8, 22.0, 3),
]


@pytest.fixture
def made(monkeypatch):
    """Parts that give the rows above at once."""

    def part(name):
        return lambda bench: [Measurement(f"part {name}", lambda: [row for row in ROWS if row.part == name])]

    monkeypatch.setattr(verb, "PARTS", {name: part(name) for name in verb.PARTS})
    monkeypatch.setattr(Bench, "check", lambda self: None)


def test_only_the_parts_that_are_asked_for_are_measured_in_the_order_of_the_table(made):
    assert cpbench.speed() == ROWS == cpbench.speed(["all", "cli"])
    assert [row.part for row in cpbench.speed("cli, step,cli")] == ["step", "cli", "cli"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--only", "stepp"), "cpbench: unknown part 'stepp': did you mean step?\n"),
        (
            ("--only", ","),
            "cpbench: --only ',': name at least one of step, dsc, fisher, drawing, scoring, run, growth, ",
        ),
        (("--repeats", "0"), "cpbench: --repeats 0: give a whole number from 1 to 1,000.\n"),
        (("--device", "tpu"), "cpbench: --device tpu: not available on this machine; choose auto or "),
        (("--only", "step", "--backbone", "nowhere"), "cpbench: backbone 'nowhere': no such folder; give toybox"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_sentence(arguments, sentence, capsys):
    status, _, err = outcome_of(capsys, "speed", "--quiet", *arguments)
    assert status == 2 and err.startswith(sentence) and err.count("\n") == 1


def test_the_command_prints_tables_notes_and_progress_and_writes_json(made, capsys, tmp_path):
    status, out, _ = outcome_of(capsys, "speed", "--json", tmp_path / "new" / "before.json")
    text = " ".join(out.split())
    assert status == 0 and "[1/8] part step" in out and "part" not in outcome_of(capsys, "speed", "--quiet")[1]
    assert "training step of lora, batch 1 loop written by hand 1.01 0.99 1.03 20" in text
    assert "Not measured: CLIP score. CLIPScore fails in torchmetrics 1.9.0." in text
    assert "first run of lora: load 12.5% 1.0 of 8.0 CPU seconds" in text
    assert "dsc, full: passes 11,506 2,645,374 1.69" in text and "dsc: state bytes 1.6 MB 41.6 MB 1.00" in text
    assert "cpbench --help s 0.27 0.25 0.30 3 cpbench --help MB, peak 22 22 22 3" in text
    assert "Seconds of two machines" in text and "cannot be compared" in text
    written = json.loads((tmp_path / "new" / "before.json").read_text())
    assert written["backbone"] == "toybox" and written["environment"]["threads"] == 1
    assert [Row(**row | {"counts": {int(n): c for n, c in row["counts"].items()}}) for row in written["rows"]] == ROWS


@pytest.mark.parametrize("width", [80, 140])
def test_the_tables_fit_their_terminal_and_keep_every_number(width):
    console = Console(width=width, record=True, color_system=None)
    with console.capture() as shown:
        for table in tables([replace(row, what=row.what * 2) if row.part == "step" else row for row in ROWS]):
            console.print(table)
    lines = shown.get().splitlines()
    assert max(map(len, lines)) <= width and "2,645,374" in shown.get() and "0.99" in shown.get()


def test_an_interruption_is_one_sentence(made, capsys, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(verb, "speed", interrupted)
    status, _, err = outcome_of(capsys, "speed")
    assert status == 130 and err == "cpbench: interrupted; nothing is kept.\n"


@pytest.mark.slow
def test_the_whole_table_is_measured(show):
    events = []
    found = cpbench.speed(repeats=1, on_event=events.append)
    for table in tables(found):
        show(table)
    assert {row.part for row in found} == set(verb.PARTS) and isinstance(events[-1], Preparing)
    assert all(sound(row) for row in found if row.median is not None)
    assert {row.what for row in found if row.median is None} <= {"CLIP score", "LPIPS diversity"}
    assert math.fsum(row.median for row in found if row.part == "run") == pytest.approx(1)
    assert sum(row.part == "step" for row in found) == 12 and sum(row.part == "growth" for row in found) == 20


@pytest.mark.slow
@pytest.mark.parametrize("name", growth.METHODS)
def test_the_bytes_of_states_stay_on_their_line(bench, name):
    found = fresh_bytes(bench, name, 8)
    assert len(set(np.diff(found[1:]).tolist())) == 1
