"""Film strips: small, in place, and enough for sheets and a site where the store has no pictures."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.records.result import result_path, write_result
from cpbench.reports.analysis.entry import entries
from cpbench.reports.samples import sheet_of, sheet_rows, sprite_of
from cpbench.reports.sprites import picture_in
from cpbench.reports.strips import LIMIT, write_strips
from cpbench.reports.write import load, write_report
from synthetic import FORGETS, KEEPS, ORDER, record

RESULTS = Path(__file__).parent.parent / "results"


def nothing(key):
    return []


def sized(folder, side, noise=False):
    """Finds two pictures for every key: plain ones whose colour tells the key and the prompt, or noise."""
    folder.mkdir(exist_ok=True)

    def found(key):
        paths = [folder / f"{key}-{k}.png" for k in range(2)]
        for k, path in enumerate(paths):
            rng = np.random.default_rng([*key.encode(), k])
            pixels = rng.integers(0, 256, (side, side, 3) if noise else (1, 1, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((side, side)).save(path)
        return paths

    return found


@pytest.fixture
def results(tmp_path):
    for result in (record(), record(seed=1), record("dsc", KEEPS), record("base"), record("lora", status="error")):
        write_result(tmp_path / "results", result)
    return tmp_path / "results"


def entry_named(folder, method, seed=0):
    return next(e for _, e in entries(folder) if (e.run.method, e.run.seed) == (method, seed))


def test_one_run_per_method_gets_a_small_strip_beside_its_record(results, tmp_path):
    paths = list(write_strips(results, sized(tmp_path / "units", 64)))
    assert paths == [result_path(results, record(m).run).with_suffix(".webp") for m in ("clora", "dsc")]
    assert all(path.is_file() and path.stat().st_size <= LIMIT for path in paths)


def test_a_strip_has_the_rows_and_columns_of_its_record_and_the_colours_of_its_pictures(results, tmp_path):
    pictures = sized(tmp_path / "units", 64)
    drawn = sprite_of(entry_named(results, "clora"), pictures)
    list(write_strips(results, pictures))
    entry = entry_named(results, "clora")
    kept = sprite_of(entry, nothing)
    assert (kept.rows, kept.columns, kept.side, kept.cell) == (drawn.rows, drawn.columns, drawn.side, drawn.cell)
    for stored, cut in zip(sheet_rows(entry, pictures), sheet_rows(entry, nothing), strict=True):
        assert (stored.name, stored.task) == (cut.name, cut.task)
        assert [len(shown) for shown in stored.after] == [len(shown) for shown in cut.after]
        for a, b in zip([*stored.real, *sum(stored.after, ())], [*cut.real, *sum(cut.after, ())], strict=True):
            assert a.size == b.size
            np.testing.assert_allclose(np.asarray(a, float).mean((0, 1)), np.asarray(b, float).mean((0, 1)), atol=8)


def test_pictures_of_the_store_come_before_those_of_a_strip(results, tmp_path):
    list(write_strips(results, sized(tmp_path / "units", 32)))
    assert sprite_of(entry_named(results, "clora"), sized(tmp_path / "units", 64)).side == 64
    assert sprite_of(entry_named(results, "clora"), nothing).side == 32
    assert sprite_of(entry_named(results, "clora", seed=1), nothing) is None
    assert sheet_of(entry_named(results, "base"), nothing) is None


def test_a_site_without_a_store_shows_the_strips(results, tmp_path):
    strips = {path.name: path.read_bytes() for path in write_strips(results, sized(tmp_path / "units", 64))}
    out = tmp_path / "out"
    paths = {p.relative_to(out) for p in write_report(load(results), out, {}, nothing)}
    shown = {path.name: (out / path).read_bytes() for path in paths if path.parts[:2] == ("site", "pictures")}
    assert shown == strips
    assert Path("samples/tiny-3-clora.png") in paths
    run = record().run.id
    assert f"../pictures/{run}.webp" in (out / "site" / "runs" / f"{run}.html").read_text()


def test_strips_go_to_records_of_the_same_run_with_the_same_scores_only(results, tmp_path):
    kept = tmp_path / "kept"
    write_result(kept, record())
    write_result(kept, record("dsc", FORGETS))
    paths = list(write_strips(results, sized(tmp_path / "units", 64), kept))
    assert paths == [result_path(kept, record().run).with_suffix(".webp")]


def test_great_and_restless_pictures_get_a_strip_within_the_limit(results, tmp_path):
    paths = list(write_strips(results, sized(tmp_path / "units", 256, noise=True)))
    assert max(path.stat().st_size for path in paths) <= LIMIT
    assert sprite_of(entry_named(results, "clora"), nothing).side < 128


@pytest.mark.parametrize("content", [b"no picture", None])
def test_a_strip_that_is_none_is_refused_with_its_path_and_what_to_do(results, content):
    path = result_path(results, record().run).with_suffix(".webp")
    if content is None:
        Image.new("RGB", (100, 101)).save(path)
    else:
        path.write_bytes(content)
    with pytest.raises(BadInput, match=rf"{path.name}.*remove it.*write it again"):
        sprite_of(entry_named(results, "clora"), nothing)


def test_a_strip_holds_every_concept_of_the_order(results, tmp_path):
    list(write_strips(results, sized(tmp_path / "units", 64)))
    assert [row.name for row in sheet_rows(entry_named(results, "dsc"), nothing)] == ORDER


def test_every_committed_strip_is_small_and_of_a_committed_record():
    strips = {path: e for path, e in entries(RESULTS) if e.strip is not None}
    assert {e.strip for e in strips.values()} == set(RESULTS.glob("*/*/*.webp"))
    for entry in strips.values():
        assert entry.strip.stat().st_size <= LIMIT
        assert sprite_of(entry, nothing).rows == 2 * entry.tasks


@pytest.mark.parametrize("share", [0, 0.5, 0.9])
def test_a_damaged_picture_in_the_store_is_named_in_one_sentence(tmp_path, share):
    file = tmp_path / "0000.png"
    Image.effect_noise((64, 64), 50).save(file)
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    with pytest.raises(BadInput, match=r"0000\.png: not a picture; remove its folder; 'cpbench run' makes it again\."):
        picture_in(file)
    with pytest.raises(BadInput, match=r"gone\.png: not a picture"):
        picture_in(tmp_path / "gone.png")
