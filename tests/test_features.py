"""The cache of features: what was changed on the disk is not taken for what was computed; nothing is done twice."""

from dataclasses import replace

import numpy as np
import PIL
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpbench.benchmark.models.extractors import load_extractor
from cpbench.benchmark.models.feature_cache import FeatureCache
from cpbench.benchmark.run.opening import load
from cpbench.benchmark.run.session import Recipe
from cpbench.benchmark.scoring.profiles import load_profile
from cpbench.benchmark.scoring.scorer import FeaturePair, StoredImages
from cpbench.benchmark.suite import picture_sets
from cpbench.benchmark.suite.concepts import held_out_pictures, reference_set
from cpbench.benchmark.suite.picture_sets import Photographs, Rendering


def test_features_with_any_flipped_bit_are_computed_again(tmp_path):
    calls = []

    def extract(pictures):
        calls.append(len(pictures))
        return np.random.default_rng(0).normal(size=(len(pictures), 3))

    cache, pictures = FeatureCache(tmp_path, extract, "key"), np.zeros((2, 4, 4, 3), np.uint8)
    first = cache(pictures)
    (file,) = tmp_path.glob("*.safetensors")
    whole = file.read_bytes()
    start = len(whole) - first.nbytes
    for place in (*range(0, start, 7), *range(start, len(whole), 5)):
        harmed = bytearray(whole)
        harmed[place] ^= 1 << place % 8
        file.write_bytes(harmed)
        np.testing.assert_array_equal(cache(pictures), first)
    assert len(calls) > first.nbytes // 5, "every bit of the payload counts"


def test_features_without_a_checksum_as_older_versions_kept_them_are_computed_again(tmp_path):
    from safetensors.numpy import save_file

    cache = FeatureCache(tmp_path, lambda pictures: np.ones((len(pictures), 2)), "key")
    pictures = np.zeros((1, 4, 4, 3), np.uint8)
    cache(pictures)
    (file,) = tmp_path.glob("*.safetensors")
    save_file({"features": np.zeros((1, 2))}, file)
    assert cache(pictures).tolist() == [[1, 1]]


@pytest.fixture
def counted(monkeypatch, extracted):
    """What was rendered and what was extracted."""
    rendered, render = [], picture_sets.portraits

    def rendering(individuals, n, seed):
        rendered.append((*individuals, n, seed))
        return render(individuals, n, seed)

    monkeypatch.setattr(picture_sets, "portraits", rendering)
    return rendered, extracted


def test_a_process_that_finds_all_features_renders_and_extracts_nothing_and_scores_the_same(suite, tmp_path, counted):
    rendered, extracted = counted
    who = [suite.concepts[:1], suite.concepts[1:], suite.concepts]
    drawn = [np.array(held_out_pictures(suite, subjects)) for subjects in who]
    prompts = [0] * len(drawn[0])

    def scores(scorer):
        return [scorer.rows(w, StoredImages(p, prompts), None) for w, p in zip(who, drawn, strict=True)]

    def opened():
        picture_sets._rendered.cache_clear()  # as in a new process
        rendered.clear()
        extracted.clear()
        runner = load(Recipe(suite, tmp_path / "home", load_profile("toybox"), "tiny", device="cpu"), print).runner
        return runner, scores(runner.scorer)

    _, first = opened()
    assert len(rendered) == len(set(rendered)) > 0, "each set is rendered once"
    assert len(extracted) > 0
    runner, again = opened()
    assert rendered == extracted == []
    plain = {}
    for name in runner.scorer.features:
        extract = load_extractor(name, runner.backbone.device)
        plain[name] = FeaturePair(extract, lambda p, extract=extract: extract(runner.backbone.reconstruct(p)))
    assert first == again == scores(replace(runner.scorer, features=plain)), "as without any cache, to the last bit"


sources = st.lists(st.tuples(st.sampled_from(("cat", "car")), st.integers(0, 3)), min_size=1, max_size=2).map(tuple)
renderings = st.builds(Rendering, sources, st.integers(1, 3), st.integers(1, 3))


@given(renderings, renderings)
def test_renderings_have_the_same_key_exactly_if_the_same_decides_their_pixels(one, other):
    assert (one.key == other.key) is (one == other)


@pytest.mark.parametrize("library", [np, PIL])
def test_another_version_of_what_draws_gives_renderings_another_key(suite, monkeypatch, library):
    before = reference_set(suite, suite.concepts[0]).key
    monkeypatch.setattr(library, "__version__", "0.0.1")
    assert reference_set(suite, suite.concepts[0]).key != before


def test_pictures_of_folders_are_known_by_their_pixels_wherever_they_come_from(tmp_path):
    calls = []

    def extract(pictures):
        calls.append(len(pictures))
        return pictures.mean((1, 2)).astype(float)

    cache, pictures = FeatureCache(tmp_path, extract, "key"), np.zeros((2, 4, 4, 3), np.uint8)
    np.testing.assert_array_equal(cache.of(Photographs(pictures)), cache(pictures.copy()))
    assert calls == [2]
    pictures[1, 3, 3, 2] = 1
    assert cache.of(Photographs(pictures))[1, 2] > 0
    assert calls == [2, 2]
