"""The long table of summaries: against values computed by hand."""

import csv
import io

import numpy as np
import pytest

from cpbench.reports.analysis.board import boards
from cpbench.reports.analysis.entry import entry_of
from cpbench.reports.analysis.summaries import of_prior, sampling_error, summaries, to_csv
from synthetic import FORGETS, KEEPS, entry, record, row


def found(*records):
    return {(s.method, s.metric, s.name): s for s in summaries(boards(list(records))[0])}


def with_rows(result, *more):
    content = result.model_dump(by_alias=True)
    return entry_of(type(result).model_validate(content | {"scores": [*content["scores"], *more]}))


def test_every_summary_is_recomputed_from_the_matrix_with_the_direction_of_its_metric():
    s = found(entry("clora", FORGETS))
    assert s["clora", "identity", "forgetting_last"].estimate.value == pytest.approx(((0.9 - 0.3) + (0.8 - 0.6)) / 2)
    assert s["clora", "mmd", "forgetting_last"].estimate.value == pytest.approx(((0.7 - 0.1) + (0.4 - 0.2)) / 200)
    assert s["clora", "identity", "backward_transfer"].estimate.value == pytest.approx(-0.4)
    assert ("clora", "identity", "forward_transfer") not in s, "the final protocol has no cells for it"


def test_intransigence_is_against_independent_of_the_same_order_and_seed_only():
    s = found(entry("lora", FORGETS), entry("independent", KEEPS), entry("lora", FORGETS, seed=1))
    e = s["lora", "identity", "intransigence"].estimate
    assert (e.value, e.n) == (pytest.approx(np.mean([0.7 - 0.9, 0.7 - 0.8, 0.8 - 0.9])), 1)


def test_the_prior_is_apart_from_the_concepts():
    result = with_rows(record(), {**row("mmd", 3, 1, 0.5), "j": 0, "concept": "prior", "metric": "drift_mmd"})
    assert of_prior(result, "drift_mmd") == 0.5
    assert ("clora", "drift_mmd", "average") not in found(result)


def test_the_sampling_error_of_an_average_is_that_of_its_cells_together():
    cell = np.std([-0.0625, 0.0625], ddof=1) / 2**0.5
    assert sampling_error(entry(), "identity") == pytest.approx(cell * 3**0.5 / 3)
    stated = with_rows(record(), *({**row("m", 3, j, 0.1 * j), "se": 0.03} for j in (1, 2)))
    assert sampling_error(stated, "m") == pytest.approx(0.03 * 2**0.5 / 2)
    assert np.isnan(sampling_error(entry(), "nothing"))


def test_the_csv_has_a_row_for_every_summary_and_empty_cells_for_what_the_runs_do_not_show():
    text = to_csv(boards([entry("clora", FORGETS), entry("clora", KEEPS, seed=1)]))
    rows = list(csv.DictReader(io.StringIO(text)))
    (average,) = [r for r in rows if (r["metric"], r["summary"]) == ("identity", "average")]
    assert float(average["value"]) == pytest.approx((0.6 + 0.7) / 2) and average["runs"] == "2"
    assert average["low"] == average["sd_order"] == "" and float(average["sd_sampling"]) > 0
    assert not any("nan" in str(r.values()) for r in rows)


def test_what_models_classify_has_an_average_only_since_chance_falls_with_the_concepts_learned():
    rows = [row(metric, i, j, 0.5) for metric in ("dc_accuracy", "dc_margin") for i, j in ((1, 1), (3, 1), (3, 2))]
    s = found(with_rows(record(), *rows))
    for metric in ("dc_accuracy", "dc_margin"):
        assert {name for _, m, name in s if m == metric} == {"average"}


def test_metrics_of_pairs_have_the_mean_over_all_pairs_and_no_other_summary():
    pairs = {"mallow+rumble": (2, 0.2), "rumble+petal": (3, 0.5), "petal+mallow": (3, 0.8)}
    rows = [{**row("multi_concept", 3, j, value), "concept": name} for name, (j, value) in pairs.items()]
    s = found(with_rows(record(), *rows))
    assert {name for _, m, name in s if m == "multi_concept"} == {"average"}
    assert s["clora", "multi_concept", "average"].estimate.value == pytest.approx(0.5), "not of places in the order"
