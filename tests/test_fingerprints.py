"""Fingerprints: equal to the bit here, within rounding elsewhere, and a changed number is found where it arises."""

import json
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from conftest import outcome_of
from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.fingerprints import method as method_room
from cpbench.benchmark.fingerprints.method import write_method
from cpbench.benchmark.fingerprints.models import KINDS
from cpbench.benchmark.fingerprints.plans import write_plan
from cpbench.benchmark.fingerprints.quantities import Book, normal, projected, uniform
from cpbench.benchmark.fingerprints.sampling import write_sampling
from cpbench.benchmark.fingerprints.scoring import write_metrics, write_scoring
from cpbench.benchmark.fingerprints.stored import (
    TOLERANCE,
    compared,
    read_fingerprint,
    write_fingerprint,
)
from cpbench.benchmark.fingerprints.summaries import write_summaries
from cpbench.benchmark.fingerprints.workers import made, made_by
from cpbench.benchmark.models import latent
from cpbench.benchmark.plan.planner import Planner
from cpbench.benchmark.records.history import extended, read_history, write_history
from cpbench.benchmark.scoring import functional
from cpbench.benchmark.verbs import fingerprints as verb
from cpbench.methods import scores
from cpbench.methods.consolidations import clora
from cpbench.methods.registry import choose

STORED = Path(__file__).parent.parent / "results" / "fingerprints"


@pytest.fixture(autouse=True)
def _one_kind(monkeypatch):
    """Methods learn on the smallest model alone here, which is enough to see what moves."""
    monkeypatch.setattr(method_room, "KINDS", KINDS[:1])


def of_method(name):
    (choice,) = choose(name, {})
    return made(name, partial(write_method, choice, verb._short(choice))).quantities


@cache
def usual(name):
    return of_method(name) if name in ("lora", "clora", "lwf") else made(name, verb.OTHERS[name]).quantities


@pytest.mark.slow
def test_a_fingerprint_is_the_same_to_the_bit_twice_and_within_rounding_with_two_threads():
    assert of_method("clora") == usual("clora")
    torch.set_num_threads(2)
    try:
        threaded = compared("clora", usual("clora"), of_method("clora"))
    finally:
        torch.set_num_threads(1)
    assert threaded.first is None and threaded.largest < 1e-9


def test_the_stored_fingerprint_begins_with_what_is_computed_on_the_smallest_model():
    stored = read_fingerprint(STORED, "clora")
    kept = {name: value for name, value in stored.items() if not name.startswith(KINDS[1:])}
    found = compared("clora", kept, usual("clora"))
    assert found.first is None and found.largest < 1e-6


def test_a_halved_penalty_is_found_at_the_first_update_that_has_one(monkeypatch):
    stored = usual("clora")
    penalty = clora.clora_penalty
    monkeypatch.setattr(clora, "clora_penalty", lambda past, delta: 0.5 * penalty(past, delta))
    first = compared("clora", stored, of_method("clora")).first
    # At update 1, the change of the new factors is still zero.
    assert first.quantity == "tiny/task 2/learn/update 2/loss.clora"
    assert first.relative == pytest.approx(0.5, rel=0.01)


def test_an_error_without_its_square_is_found_in_the_scores_before_any_update(monkeypatch):
    stored = usual("lora")
    monkeypatch.setattr(scores, "errors", lambda noise, p: (p - noise[:, None]).abs().mean((2, 3, 4)))
    assert "inspect/update 1/loss" in compared("lora", stored, of_method("lora")).first.quantity


def test_guidance_that_begins_a_step_late_is_found_in_sampling_where_steps_and_guidance_matter(monkeypatch):
    stored = usual("sampling")
    before = latent.denoised

    def late(sampling, schedule, noise, predict):
        step = []

        def changed(z, t):
            step.append(int(t))
            out = predict(z, t)
            plain, _ = out.chunk(2)
            return torch.cat([plain, plain]) if t == max(step) else out

        return before(sampling, schedule, noise, changed)

    monkeypatch.setattr(latent, "denoised", late)
    found = compared("sampling", stored, made("sampling", write_sampling).quantities)
    kinds = {d.quantity.split("/")[1] for d in found.differences}
    assert "ddim, guidance 2.5, 3 steps, batch 2" in kinds and "predicted" not in kinds
    assert not any("guidance 0.0" in kind for kind in kinds), "there, the prompt decides nothing"


def test_a_biased_kid_is_found_by_the_name_of_the_metric(monkeypatch):
    stored = usual("metrics")
    biased = functional._squared_discrepancy
    monkeypatch.setattr(functional, "_squared_discrepancy", lambda x, y, degree: biased(x, y, degree) * (1 + 1e-3))
    found = compared("metrics", stored, made("metrics", write_metrics).quantities)
    assert found.first.quantity == "toybox/concept/mmd/value" and found.first.relative == pytest.approx(1e-3, rel=0.01)


def test_a_plan_that_forgets_an_input_is_found_by_that_input(monkeypatch):
    stored = usual("plan")
    before = Planner.run
    monkeypatch.setattr(Planner, "run", lambda self, m, order, seed: before(self, m, order, 0))
    found = compared("plan", stored, made("plan", write_plan).quantities)
    assert "changed by seed" in [d.quantity for d in found.differences]


def test_forgetting_with_the_other_sign_is_found_in_summaries_and_nowhere_else(monkeypatch):
    stored = usual("summaries")
    from cpbench.benchmark.records import continual

    before = continual.forgetting_all
    monkeypatch.setattr(continual, "forgetting_all", lambda r, higher: -before(r, higher=higher))
    found = compared("summaries", stored, made("summaries", write_summaries).quantities)
    assert {d.quantity.split("/")[1].split(",")[0] for d in found.differences} == {"forgetting_all"}


def test_code_that_fails_is_a_difference_and_says_where(monkeypatch):
    monkeypatch.setattr(functional, "diversity", lambda *_: 1 / 0)
    failed = made("scoring", write_scoring)
    assert "ZeroDivisionError" in failed.error and "'diversity'" in failed.error


@pytest.mark.slow
def test_processes_give_what_this_one_gives():
    items = [("summaries", write_summaries), ("plan", write_plan)]
    found = {one.name: one.quantities for one in made_by(items, 2)}
    here = [compared(name, found[name], made(name, write).quantities) for name, write in items]
    assert [(c.first, c.largest) for c in here] == [(None, 0.0)] * 2


def test_fixed_numbers_have_mean_0_and_variance_1_and_differ_by_seed():
    for draw in (uniform, normal):
        x = draw((20000,), 3)
        assert abs(x.mean()) < 0.03 and abs(x.var() - 1) < 0.03
        assert abs(np.corrcoef(x, draw((20000,), 4))[0, 1]) < 0.03


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.integers(0, 49))
def test_a_projection_sees_any_entry_that_matters(values, k):
    x = np.array(values)
    moved = x.copy()
    moved[k % len(x)] += 1 + 2 * np.abs(x).max()
    found = compared("x", {"x": projected(x)}, {"x": projected(moved)})
    assert found.first is not None and compared("x", {"x": projected(x)}, {"x": projected(x)}).first is None


def test_names_that_return_get_numbers_and_texts_compare_to_the_letter():
    book = Book()
    with book.at("a"):
        book.numbers("x", 1)
        book.numbers("x", 2)
        book.text("seed", 2**31 - 1)
    assert book.quantities == {"a/x": [1.0], "a/x (2)": [2.0], "a/seed": "2147483647"}
    assert compared("a", {"s": "2147483647"}, {"s": "2147483646"}).first.relative == np.inf


def test_the_first_difference_is_the_first_in_the_computation_also_where_a_quantity_is_missing_or_new():
    stored = {"a": [1.0], "b": [2.0], "c": [3.0, 1e-9], "d": "x"}
    assert compared("n", stored, dict(stored)).differences == ()
    assert compared("n", stored, stored | {"c": [3.0, 1e-6]}).first is None, "relative to the whole vector"
    assert compared("n", stored, stored | {"c": [3.0, 1e-2]}).first.quantity == "c"
    lost = {k: v for k, v in stored.items() if k != "b"} | {"d": "y"}
    assert [d.quantity for d in compared("n", stored, lost).differences] == ["b", "d"]
    more = {"a": [1.0], "new": [0.0], **stored}
    assert [(d.quantity, d.stored) for d in compared("n", stored, more).differences] == [("new", "missing")]
    assert compared("n", {"x": [np.nan, 1.0]}, {"x": [np.nan, 1.0]}).first is None
    assert compared("n", {"x": [np.nan, 1.0]}, {"x": [0.0, 1.0]}).first is not None


@given(st.dictionaries(st.text(min_size=1), st.lists(st.floats(allow_infinity=False), max_size=4) | st.text()))
def test_a_file_holds_what_was_written(tmp_path_factory, quantities):
    folder = tmp_path_factory.mktemp("stored")
    write_fingerprint(folder, "one", quantities)
    found = compared("one", read_fingerprint(folder, "one"), quantities)
    assert found.first is None and found.largest < 1e-11 and list(read_fingerprint(folder, "one")) == list(quantities)


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}', '{"a": [{}]}'])
def test_a_file_that_is_no_fingerprint_is_refused_by_name(tmp_path, text):
    (tmp_path / "lora.json").write_text(text)
    with pytest.raises(BadInput, match=r"lora\.json is not a fingerprint"):
        read_fingerprint(tmp_path, "lora")


def test_code_with_equal_numbers_joins_the_newest_line_and_other_code_begins_one(tmp_path):
    lines = extended([], "a", changed=True)
    lines = extended(lines, "b", changed=False)
    assert extended(lines, "b", changed=False) == lines == [["a", "b"]]
    lines = extended(lines, "c", changed=True)
    assert lines == [["a", "b"], ["c"]]
    write_history(tmp_path, {"lora": lines, "dsc": [["d"]]})
    assert read_history(tmp_path) == {"lora": lines, "dsc": [["d"]]}
    assert list(json.loads((tmp_path / "history.json").read_text())) == ["dsc", "lora"]


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A root with a changelog, and two fingerprints that take no time."""
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## [Unreleased]\n\n### Results affected\n- Before.\n")
    monkeypatch.setattr(verb, "_ROOT", tmp_path)
    monkeypatch.setattr(verb, "shipped_fingerprints", lambda: tmp_path / "results" / "fingerprints")
    monkeypatch.setattr(verb, "OTHERS", {"summaries": write_summaries, "plan": lambda book: book.numbers("x", 1)})
    return tmp_path


def test_an_update_tells_the_changelog_and_the_history_only_what_changed(checkout, monkeypatch, capsys):
    def check(*more):
        return outcome_of(capsys, "check", "--fast", "--methods", "base", "--jobs", "1", "--quiet", *more)

    assert check()[0] == 2
    assert check("--update-fingerprints", "first")[0] == 0
    changelog = (checkout / "CHANGELOG.md").read_text()
    assert check()[0] == 0 and "first" not in changelog
    digests = {"base": "b", "plan": "p1", "summaries": "s2"}
    monkeypatch.setattr(verb, "digest_today", lambda name, method=None: digests[name])
    monkeypatch.setitem(verb.OTHERS, "plan", lambda book: book.numbers("x", 1.001))
    status, out, err = check("--junit", checkout / "check.xml")
    assert status == 3 and "1 of 3 fingerprints" in err and "1.0e-03" in out
    assert 'failures="1"' in (checkout / "check.xml").read_text()
    assert check("--update-fingerprints", "a better plan")[0] == 0
    assert (
        "- a better plan: fingerprints `plan` (1 quantity from `x` on).\n- Before.\n"
        in (checkout / "CHANGELOG.md").read_text()
    )
    history = read_history(checkout / "results" / "fingerprints")
    assert history["plan"][1:] == [["p1"]] and history["summaries"][0][1:] == ["s2"]
    assert check()[0] == 0


def test_a_method_without_a_fingerprint_is_told_how_to_make_one_which_goes_to_its_own_folder(checkout, capsys):
    with pytest.raises(BadInput, match=r"holds no fingerprint of base.*--fingerprints FOLDER --update-fingerprints"):
        verb.fingerprints("base", jobs=1)
    own = checkout / "mine"
    with pytest.raises(BadInput, match=r"--fingerprints .*mine --update"):
        verb.fingerprints("base", folder=own, jobs=1)
    verb.fingerprints("base", jobs=1, update="shipped")
    verb.fingerprints("base", folder=own, jobs=1, update="first")
    assert sorted(f.name for f in own.iterdir()) == ["base.json", "history.json"]
    assert all(c.first is None for c in verb.fingerprints("base", folder=own, jobs=1))
    assert verb.fingerprinted("base,lora", own) == ["base"]


def test_options_decide_nothing_but_themselves_where_phases_are_shortened():
    for choice in choose("dsc,ziplora,ewc", {}):
        short = verb._short(choice)
        changed = {f"{s}.{k}" for s, o in choice.options.items() for k, v in o.items() if short.options[s][k] != v}
        assert changed <= set(verb.SHORT) and choice.name == short.name
    (plain,) = choose("lora", {})
    assert verb._short(plain) is plain


@pytest.mark.slow
def test_the_committed_fingerprints_are_those_of_this_code_on_this_machine(monkeypatch, show):
    monkeypatch.undo()
    found = verb.fingerprints(jobs=2)
    assert [(c.name, c.first) for c in found if c.first] == []
    largest = max(c.largest for c in found)
    show(f"{len(found)} fingerprints, largest relative difference {largest:.1e}, tolerance {TOLERANCE:.0e}")
    assert largest < TOLERANCE / 5


def test_fingerprints_that_change_for_one_reason_share_a_line_of_the_changelog(tmp_path):
    changelog = tmp_path / "CHANGELOG.md"
    changelog.write_text("# Changelog\n\n## [Unreleased]\n")
    for reason, what in (("old", "`a` (1)"), ("new", "`b` (2)"), ("new", "`c` (3)")):
        verb._note(changelog, reason, what)
    _, _, after = changelog.read_text().partition("### Results affected\n")
    assert after == "- new: fingerprints `b` (2), `c` (3).\n- old: fingerprints `a` (1).\n"


def test_a_quantity_that_is_new_says_nothing_of_those_that_were_there():
    from cpbench.benchmark.fingerprints.stored import compared

    then = {"a": [1.0], "b": "x"}
    assert not compared("m", then, {**then, "c": [2.0]}).changed and compared("m", then, {**then, "c": [2.0]}).first
    assert compared("m", then, {"a": [1.0]}).changed and compared("m", then, {"a": [2.0], "b": "x"}).changed
    assert not compared("m", then, then).changed
