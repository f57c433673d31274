"""Pictures of two concepts: how many are drawn, what they show, and where that is printed."""

from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from conftest import CODE, TINY, write_suite
from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.plan.planner import Planner
from cpbench.benchmark.protocol import unwatched
from cpbench.benchmark.records.result import Result
from cpbench.benchmark.run.work.draw import draw
from cpbench.benchmark.scoring import functional
from cpbench.benchmark.scoring.metrics import Cell, rows
from cpbench.benchmark.scoring.pairs import PAIRS
from cpbench.benchmark.scoring.profiles import load_profile
from cpbench.benchmark.suite.concepts import HELD_OUT
from cpbench.benchmark.suite.pair_sets import exchanges, noun_sets, outcome_sets
from cpbench.benchmark.suite.spec import FIRST_STRANGER, Evaluation, load_suite
from cpbench.benchmark.toybox.world import unusual_individual
from cpbench.methods.registry import choose
from cpbench.reports.analysis.board import boards
from cpbench.reports.analysis.entry import entry_of
from cpbench.reports.samples import pair_rows, sheet_of
from cpbench.reports.site.pairs import pair_film
from cpbench.reports.tables.markdown import to_markdown
from cpbench.reports.tables.pairs import pair_lines
from synthetic import KEEPS, record

TOYBOX = load_profile("toybox")
KINDS = ("right", "twice", "swapped", "missing", "other")
SHOWN = dict(zip(("multi_concept", "multi_twice", "multi_swapped", "multi_missing"), KINDS, strict=False))


def with_pairs(suite, n):
    return suite.model_copy(update={"evaluation": suite.evaluation.model_copy(update={"per_pair": n})})


def plan(suite, method="lora", order=(0, 1), seed=0, **changes):
    planner = Planner(suite, TOYBOX, "tiny", "w", "cpu", "float32", {}, code=CODE, **changes)
    return planner.run(choose(method, {})[0], order, seed)


def of_pairs(cells):
    return [cell for cell in cells if len(cell.subjects) == 2]


# How many are drawn


def test_a_suite_says_how_many_pictures_a_pair_has_and_else_it_has_as_many_as_a_prompt(suite, tmp_path):
    assert suite.evaluation.per_pair == suite.evaluation.per_prompt == 2
    more = load_suite(str(write_suite(tmp_path, evaluation=TINY["evaluation"] | {"per_pair": 5})))
    for one, pictures in ((suite, 2), (more, 5)):
        made = plan(one)
        assert [cell.draw.pictures for cell in of_pairs(made.cells)] == [pictures] * 2, "the base model, and the end"
        assert {cell.draw.pictures for cell in made.cells if len(cell.subjects) == 1} == {4}


def test_a_suite_without_the_field_is_the_suite_with_as_many_pictures_as_per_prompt(suite, tmp_path):
    same = load_suite(str(write_suite(tmp_path, evaluation=TINY["evaluation"] | {"per_pair": 2})))
    other = load_suite(str(write_suite(tmp_path, evaluation=TINY["evaluation"] | {"per_pair": 3})))
    assert same.hash == suite.hash != other.hash
    assert [u.key for u in plan(same).units()] == [u.key for u in plan(suite).units()]


def test_more_pictures_of_pairs_draw_and_score_pairs_again_and_nothing_else(suite):
    few, many = (Counter(u.key for u in plan(with_pairs(suite, n)).units()) for n in (2, 5))
    pairs = {key for cell in of_pairs(plan(suite).cells) for key in (cell.draw.key, cell.measure.key)}
    assert set(few - many) == pairs and len(many - few) == len(pairs) == 4


def test_the_pictures_of_pairs_by_the_base_model_are_shared_by_methods_orders_and_not_by_seeds(suite):
    def base(*arguments):
        return {(c.draw.key, c.measure.key) for c in of_pairs(plan(suite, *arguments).cells) if c.i == 0}

    first = base("lora", (0, 1))
    assert len(first) == 1 and first == base("clora", (0, 1)) == base("base", (0, 1)) == base("lora", (1, 0))
    assert first.isdisjoint(base("lora", (0, 1), 1))


def test_the_first_pictures_of_a_pair_have_the_same_seeds_however_many_there_are(suite, tmp_path):
    def seeds(n):
        (unit,) = (cell.draw for cell in of_pairs(plan(with_pairs(suite, n)).cells) if cell.i == 0)
        seen = []

        def sample(prompts, found):
            seen.extend(zip(prompts, found, strict=True))
            return np.zeros((len(found), 8, 8, 3), np.uint8)

        draw(unit, SimpleNamespace(backbone=SimpleNamespace(sample=sample)), tmp_path, unwatched)
        return seen

    few, many = seeds(4), seeds(32)
    assert many[:4] == few and len({seed for _, seed in many}) == 32
    assert {prompt for prompt, _ in many} == {"photo of a cat and a car"}


@pytest.mark.parametrize("value", [0, -1, 2.5, "many", 100_001, None, True, float("nan")])
def test_an_impossible_number_of_pictures_is_refused_with_what_is_allowed(suite_file, value):
    content = TINY | {"evaluation": TINY["evaluation"] | {"per_pair": value}}
    suite_file.write_text(yaml.safe_dump(content))
    with pytest.raises(BadInput, match=r"evaluation\.per_pair: .*give a whole number from 1 to 100,000\.$"):
        load_suite(str(suite_file))


def test_a_wrong_number_that_the_default_follows_from_is_one_problem(suite_file):
    suite_file.write_text(yaml.safe_dump(TINY | {"evaluation": TINY["evaluation"] | {"per_prompt": 0}}))
    with pytest.raises(BadInput, match=r"per_prompt: 0 is not allowed; give a whole number from 1 to 100,000\.$"):
        load_suite(str(suite_file))


def test_reported_suites_draw_enough_and_the_one_of_first_runs_stays_small():
    assert [load_suite(f"toybox-{n}").evaluation.per_pair for n in ("6", "similar", "2")] == [32, 32, 4]


def test_words_about_a_suite_are_not_in_its_hash_and_numbers_are(suite):
    changed = suite.model_copy(update={"title": "Other words.", "licence": "Other terms."})
    assert changed.hash == suite.hash != suite.model_copy(update={"version": 2}).hash


# What they show


def around(*centre, n=6, seed=0):
    """Features near a point of the plane."""
    return np.array(centre) + 0.1 * np.random.default_rng(seed).normal(size=(n, 2))


CENTRES = {"right": [(0, 0)], "twice": [(9, 0), (-9, 0)], "swapped": [(0, 9)], "missing": [(9, 9), (-9, 9)]}
OUTCOMES = {k: tuple(around(*c) for c in centres) for k, centres in (CENTRES | {"other": [(0, -9), (4, -9)]}).items()}
NOUNS = {"both": (around(0, 0), around(0, 9)), "fewer": (around(9, 9), around(-9, 9))}


def cell_of(drawn, **changes):
    fields = {"outcomes": OUTCOMES, "nouns": NOUNS, "each": (around(0, 0), around(1, 1))}
    pictures = np.zeros((len(drawn), 8, 8, 3), np.uint8)
    return Cell("pair", pictures, np.zeros(len(drawn), np.int64), drawn, **fields | changes)


def share(metric, cell):
    (found,) = rows(metric, cell, TOYBOX)
    return found["value"], found["n"]


@pytest.mark.parametrize(("metric", "kind"), SHOWN.items())
def test_a_picture_counts_as_what_the_nearest_set_shows(metric, kind):
    for shown, groups in OUTCOMES.items():
        for group in groups:
            assert share(metric, cell_of(group + 0.05)) == (float(shown == kind), 6)
    mixed = np.concatenate([OUTCOMES["right"][0][:1], OUTCOMES["twice"][1][:3], OUTCOMES["other"][1][:4]])
    assert share("multi_concept", cell_of(mixed)) == (1 / 8, 8) and share("multi_twice", cell_of(mixed)) == (3 / 8, 8)


def test_both_nouns_are_shown_where_a_set_of_both_is_nearest_whatever_the_individuals():
    assert share("multi_nouns", cell_of(np.concatenate([around(1, 8, n=3), around(8, 8, n=1)]))) == (3 / 4, 4)


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), sizes=st.tuples(*[st.integers(1, 3)] * 5), n=st.integers(1, 9), d=st.integers(2, 7))
def test_the_shares_of_one_decision_add_up_to_one(seed, sizes, n, d):
    rng = np.random.default_rng(seed)
    sets = {k: tuple(rng.normal(size=(4, d)) for _ in range(m)) for k, m in zip(KINDS, sizes, strict=True)}
    drawn = rng.normal(size=(n, d))
    found = Counter(functional.outcomes(drawn, sets).tolist())
    assert sum(found.values()) == n and set(found) <= set(KINDS)
    shares = [share(metric, cell_of(drawn, outcomes=sets))[0] for metric in SHOWN]
    assert sum(shares) == pytest.approx(1 - found["other"] / n)


def test_pictures_of_one_concept_and_of_pairs_of_folders_have_none_of_these_shares(suite):
    for cell in (cell_of(around(0, 0), outcomes={}, nouns={}), replace(cell_of(around(0, 0)), outcomes={"right": ()})):
        assert not [row for metric in SHOWN for row in rows(metric, cell, TOYBOX)]
    folder = suite.concepts[0].model_copy(update={"toybox": None, "folder": "c"})
    assert outcome_sets(suite, (folder, suite.concepts[1])) == noun_sets(suite, (folder, suite.concepts[1])) == {}


def test_where_marks_are_exchanged_the_shapes_stay():
    cat, car, other = unusual_individual("cat", 11), unusual_individual("car", 12), unusual_individual("cat", 13)
    colours, marks = exchanges(cat, car)
    assert colours == (replace(cat, colours=car.colours), replace(car, colours=cat.colours))
    for a, b in (colours, marks):
        assert (a.noun, a.build, b.noun, b.build) == ("cat", cat.build, "car", car.build)
        assert (a.colours, b.colours) == (car.colours, cat.colours)
    assert (marks[0].pattern, marks[0].accessory) == (car.pattern, car.accessory)
    assert len(list(exchanges(cat, other))) == 1, "with all marks exchanged, two cats would have changed places only"


def test_strangers_are_no_concept_and_no_look_alike_and_others_in_every_set_of_pictures(suite):
    assert FIRST_STRANGER > 900_000 + 2 * 10_000
    sets = [noun_sets(suite, suite.concepts[:2], *stream) for stream in ((), (HELD_OUT,))]
    shown = [{one for kind in found.values() for s in kind for group in s.shown for one in group} for found in sets]
    assert shown[0].isdisjoint(shown[1]) and len({one.colours for one in shown[0]}) == len(shown[0])
    assert [len(found["both"]) for found in sets] == [2, 2] and len(sets[0]["fewer"]) == 4
    alike = [c.model_copy(update={"noun": "cat"}) for c in suite.concepts[:2]]
    one_class = noun_sets(suite, tuple(alike))
    assert [len(s.shown[0]) for s in one_class["both"]] == [2] and [len(s.shown[0]) for s in one_class["fewer"]] == [1]


def test_sets_are_told_apart_by_what_they_show_and_rendered_once(suite):
    kinds = outcome_sets(suite, suite.concepts[:2])
    assert tuple(kinds) == KINDS and len(kinds["twice"]) == 2
    every = [s for found in (kinds, noun_sets(suite, suite.concepts[:2])) for sets in found.values() for s in sets]
    assert len({s.key for s in every}) == len(every)
    (swapped, *_), (right, *_) = kinds["swapped"], kinds["right"]
    assert swapped.pictures().shape == right.pictures().shape and swapped.pictures() is swapped.pictures()
    assert (swapped.pictures() != right.pictures()).any() and not swapped.pictures().flags.writeable


@pytest.mark.slow
@pytest.mark.parametrize("name", ["toybox-6", "toybox-similar"])
def test_held_out_pictures_of_known_content_are_put_where_they_belong(name, tmp_path):
    from cpbench.benchmark.run.opening import load
    from cpbench.benchmark.run.session import Recipe

    suite = load_suite(name)
    pair = suite.concepts[:2]
    features = load(Recipe(suite, tmp_path, TOYBOX, "toybox"), print).runner.scorer.features["effnet-lite0"]
    for sets, least in ((outcome_sets, 0.85), (noun_sets, 0.85)):
        known = {kind: [features.of(s) for s in found] for kind, found in sets(suite, pair).items()}
        for kind, found in sets(suite, pair, HELD_OUT).items():
            seen = np.concatenate([functional.outcomes(features.of(s), known) for s in found])
            assert (seen == kind).mean() >= least, (kind, Counter(seen.tolist()))


# Where it is printed

FOUND = {"multi_concept": (0.0, 0.25), "multi_twice": (0.0, 0.5), "multi_swapped": (0.25, 0.0)}
FOUND |= {"multi_missing": (0.0, 0.125), "multi_nouns": (0.875, 0.5)}


def of_two(method="lora", **changes):
    """A record with two pairs: one with these shares, and one of which each share is halved."""
    made = record(method, KEEPS, **changes).model_dump(by_alias=True)
    for name, factor in (("mallow+rumble", 1), ("rumble+petal", 0.5)):
        for metric, values in FOUND.items():
            common = {"metric": metric, "higher_is_better": metric in ("multi_concept", "multi_nouns")}
            j = 2 if name == "mallow+rumble" else 3
            made["scores"] += [
                common | {"source": "model", "i": i, "j": j, "concept": name, "prompt": 0, "value": v * factor, "n": 32}
                for i, v in zip((0, 3), values, strict=True)
            ]
        for i in (0, 3):
            made["units"][f"draw/{i}/{name}"] = f"d{i}{name}"
        made["units"][f"real/{name}"] = f"r{name}"
    return Result.model_validate(made)


def test_the_table_has_the_mean_over_pairs_the_rest_of_the_decision_and_the_base_models_own_ceiling():
    (board,) = boards([entry_of(of_two(seed=seed)) for seed in range(3)])
    own, base, real = pair_lines(board)
    assert (own.title, own.pictures, base.title, base.pictures) == ("lora", 3 * 2 * 32, "floor: base model", 0)
    assert {k: e.value for k, e in own.values.items()} == pytest.approx(
        {k: 0.75 * v[1] for k, v in FOUND.items()} | {"other": (0.125 + 0.5625) / 2}
    )
    assert (
        base.values["multi_nouns"].value == pytest.approx(0.75 * 0.875) and base.values["multi_nouns"].interval is None
    )
    assert own.values["multi_concept"].interval and np.isnan(real.values["multi_concept"].value)
    text = to_markdown([board])
    assert "#### Pictures of two concepts" in text and "| 192 |" in text and "*floor: base model*" in text
    assert "18.8 (no spread)" in text


def test_records_without_pairs_have_no_such_table():
    (board,) = boards([entry_of(record("lora", KEEPS))])
    assert pair_lines(board) == [] and "two concepts" not in to_markdown([board])


@pytest.fixture
def pictures(tmp_path):
    """Three pictures of any unit; none of base pictures of the second pair, which the store has lost."""
    files = [tmp_path / f"{k}.png" for k in range(3)]
    for k, file in enumerate(files):
        Image.new("RGB", (64, 64), (60 * k, 90, 200)).save(file)
    return lambda key: [] if key == "d0rumble+petal" else files


def test_the_pictures_of_pairs_are_shown_by_state_with_what_the_store_has(tmp_path, pictures):
    entry = entry_of(of_two())
    shown = [("+".join(row.names), row.task, row.title, row.total) for row in pair_rows(entry, pictures, 2)]
    assert shown == [
        ("mallow+rumble", 2, "real", 3),
        ("mallow+rumble", 2, "base model", 3),
        ("mallow+rumble", 2, "after task 3", 3),
        ("rumble+petal", 3, "real", 3),
        ("rumble+petal", 3, "after task 3", 3),
    ]
    (tmp_path / "pictures").mkdir()
    film = pair_film(entry, pictures, tmp_path)
    assert (film["rows"], film["columns"], [len(p["sets"]) for p in film["pairs"]]) == (5, 3, [3, 2])
    with Image.open(tmp_path / film["file"]) as sprite:
        assert sprite.size == (3 * 68, 5 * 68)
    assert pair_film(entry, lambda key: [], tmp_path) is None


def test_a_sample_sheet_ends_with_a_row_per_pair(pictures):
    with_two, without = (sheet_of(entry_of(r), pictures) for r in (of_two(), record("lora", KEEPS)))
    assert with_two.height - without.height == 2 * (80 + 14)


def test_the_metrics_of_pairs_are_those_of_the_profile():
    assert set(PAIRS) == {*SHOWN, "multi_nouns"} and set(PAIRS) <= set(TOYBOX.metrics)
    assert Evaluation(per_prompt=3, references=2, distractors=0, profile="toybox").per_pair == 3
