"""A sweep computes each distinct unit once; the seconds are printed."""

import pytest
from sharing import compare, equal, prefixes, session, table

from conftest import TINY, write_suite
from cpbench.benchmark.plan.grid import Grid, lengths_of, orders_of
from cpbench.benchmark.plan.units import gather
from cpbench.benchmark.suite.spec import load_suite
from cpbench.methods.registry import choose


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_orders_and_lengths_train_their_distinct_prefixes_and_compute_no_unit_twice(tmp_path, show):
    concepts = [{"name": f"c{k}", "noun": noun, "toybox": 20 + k} for k, noun in enumerate(("cat", "car", "cup"))]
    suite = load_suite(str(write_suite(tmp_path, concepts=concepts, training=TINY["training"] | {"steps": 12})))
    grid = Grid(choose("lora,vera", {}), orders_of(suite, "3"), lengths_of(suite, "2,3"), [0])
    together, alone = compare(suite, grid, tmp_path)
    show(table(grid, together, alone))
    assert together.trained == {"lora": prefixes(grid), "vera": prefixes(grid)}
    assert alone.trained == {"lora": 3 * (2 + 3), "vera": 3 * (2 + 3)}
    plans = list(grid.plans(session(suite, tmp_path / "planned").planner("final")))
    assert together.units == len(gather(plans))
    assert alone.units == sum(len(gather([plan])) for plan in plans) > 1.3 * together.units
    assert equal(tmp_path)
