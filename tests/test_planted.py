"""The planted regressions fit the present code, so that the campaign over them measures what it claims to."""

import sys
from collections import Counter
from pathlib import Path

import pytest
from regressions.campaign import KERNELS, Copy, Place
from regressions.planted import PLANTED, Regression

from cpbench.benchmark.sources import essence

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("planted", PLANTED, ids=lambda r: r.name)
def test_every_planted_regression_fits_the_code_and_changes_the_program(planted):
    before = (ROOT / planted.file).read_text()
    after = planted.applied(before)
    assert essence(after)[0] != essence(before)[0], "a unit of the old code would be found again"
    compile(after, planted.file, "exec")


def test_there_are_thirty_of_distinct_names_in_many_modules():
    assert len(PLANTED) >= 30
    assert Counter(r.name for r in PLANTED).most_common(1)[0][1] == 1
    assert len({r.file for r in PLANTED}) >= 15
    assert all(r.why and not r.why.endswith(".") for r in PLANTED)


def test_one_that_no_longer_fits_is_named_with_its_file():
    lost = Regression("gone", "methods/fisher.py", "no such line", "", "nothing", "ewc")
    with pytest.raises(LookupError, match="gone: expected once in methods/fisher"):
        lost.applied("")


@pytest.mark.slow
def test_the_check_finds_three_of_them_with_other_kernels_and_nothing_where_nothing_is(tmp_path):
    copy = Copy(tmp_path)
    chosen = {r.name: r for r in PLANTED if r.name in ("clora-halved", "kid-biased", "sampler-one-short")}
    assert len(chosen) == 3
    places = [Place(sys.executable, "", kernels, 1) for kernels in KERNELS[:3]]
    found = [copy.check(place, r, [r.seen_in]) for place, r in zip(places, chosen.values(), strict=True)]
    assert {o.planted: o.status for o in found} == dict.fromkeys(chosen, 3), found
    clean = copy.check(places[0], None, [r.seen_in for r in chosen.values()])
    assert (clean.status, clean.differing, clean.error) == (0, 0, "")
    assert clean.largest < 1e-7 < 1e-3 < min(o.largest for o in found)
