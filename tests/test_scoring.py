"""What is compared with what: drawn with real pictures, real ones as the autoencoder gives them back."""

from dataclasses import replace

import numpy as np
import pytest

from cpbench.benchmark.models.feature_cache import FeatureCache
from cpbench.benchmark.protocol import Pictures
from cpbench.benchmark.run.opening import load
from cpbench.benchmark.run.session import Recipe
from cpbench.benchmark.scoring import functional
from cpbench.benchmark.scoring.pairs import PAIRS
from cpbench.benchmark.scoring.profiles import load_profile
from cpbench.benchmark.scoring.scorer import FeaturePair, Scorer, StoredImages
from cpbench.benchmark.suite.concepts import held_out_pictures, pair_pictures, reference_pictures
from cpbench.benchmark.suite.pair_sets import noun_sets, outcome_sets


def means(pictures: Pictures):
    """Features that a test can follow: mean colours of the quarters of a picture, (n, 12)."""
    quarters = [pictures[:, a : a + 32, b : b + 32] for a in (0, 32) for b in (0, 32)]
    return np.concatenate([q.mean(axis=(1, 2)) for q in quarters], axis=1)


class Words:
    """Pictures lie along the first axis, and so does a text that says 'night'; every other text along the second."""

    def image(self, features):
        return np.tile([1.0, 0.0], (len(features), 1))

    def text(self, texts):
        return np.array([[1.0, 0.0] if "night" in t else [0.0, 1.0] for t in texts])


FEATURES, ALIGNER = FeaturePair(means, means), ("effnet-lite0", Words())


def scorer(suite, features=FEATURES, aligner=ALIGNER, **changes):
    return Scorer(suite, replace(load_profile("toybox"), **changes), {"effnet-lite0": features}, aligner)


def rows(scorer, subjects, pictures, prompts, before=None):
    return scorer.rows(tuple(subjects), StoredImages(pictures, prompts, real=prompts is None), before)


def values(rows, metric):
    return {row["prompt"]: row["value"] for row in rows if row["metric"] == metric}


@pytest.fixture
def concept(suite):
    return suite.concepts[0]


@pytest.fixture
def real(suite, concept):
    return held_out_pictures(suite, (concept,))


def test_a_drawn_picture_is_compared_with_the_prompt_it_was_drawn_from(suite, concept, real):
    found = rows(scorer(suite), [concept], real, [0, 0, 1, 1])
    assert values(found, "text_align") == {0: 0.0, 1: 1.0}, "the second prompt of the tiny suite says 'at night'"
    assert {row["n"] for row in found if row["metric"] == "text_align"} == {2}


def test_real_pictures_have_no_prompt_and_no_text_is_compared_without_an_aligner(suite, concept, real):
    assert values(rows(scorer(suite), [concept], real, None), "text_align") == {}
    assert values(rows(scorer(suite, aligner=None), [concept], real, [0] * 4), "text_align") == {}


def test_the_scale_of_a_profile_multiplies_cosines_and_nothing_else(suite, concept, real):
    plain = rows(scorer(suite), [concept], real, [0, 0, 1, 1])
    scaled = rows(scorer(suite, align_scale=100.0, text_scale=2.5), [concept], real, [0, 0, 1, 1])
    assert values(scaled, "text_align")[1] == 250
    assert values(scaled, "image_align")[0] == pytest.approx(100 * values(plain, "image_align")[0])
    assert values(scaled, "mmd") == values(plain, "mmd")


@pytest.mark.parametrize(("positive", "expected"), [(False, -1.0), (True, 0.0)])
def test_a_negative_text_score_is_zero_where_the_profile_says_so(suite, concept, real, positive, expected):
    class Opposed(Words):
        def text(self, texts):
            return np.tile([-1.0, 0.0], (len(texts), 1))

    made = scorer(suite, aligner=("effnet-lite0", Opposed()), positive=positive)
    assert values(rows(made, [concept], real, [0] * 4), "text_align") == {0: expected}


def test_real_pictures_go_through_the_real_path_and_drawn_ones_do_not(suite, concept, real):
    seen = {"drawn": 0, "real": 0}

    def counted(which):
        def features(pictures):
            seen[which] += len(pictures)
            return means(pictures)

        return features

    made = scorer(suite, FeaturePair(counted("drawn"), counted("real")), aligner=None)
    rows(made, [concept], real, [0] * 4)
    assert seen["drawn"] == 4
    rows(made, [concept], real, None)
    assert seen["drawn"] == 4


def test_the_drift_is_zero_between_the_same_pictures_and_not_measured_without_earlier_ones(suite, concept):
    a, b = (reference_pictures(suite, c) for c in suite.concepts)
    assert values(rows(scorer(suite), [concept], a, [0, 0, 1, 1]), "drift_mmd") == {}
    (far,) = values(
        rows(scorer(suite), [concept], a, [0, 0, 1, 1], StoredImages(b, [0, 0, 1, 1])), "drift_mmd"
    ).values()
    (near,) = values(
        rows(scorer(suite), [concept], a, [0, 0, 1, 1], StoredImages(a, [0, 0, 1, 1])), "drift_mmd"
    ).values()
    assert near == 0 != far


def test_pictures_of_the_prior_have_only_their_drift(suite, concept):
    a = reference_pictures(suite, concept)
    found = rows(scorer(suite), [], a, [0, 0, 0, 0], StoredImages(a[::-1], [0] * 4))
    assert {row["metric"] for row in found} == {"drift_mmd", "drift_kid"}


def test_pictures_of_a_pair_are_judged_as_a_pair(suite):
    pair = suite.concepts[:2]
    held, alone = held_out_pictures(suite, pair), held_out_pictures(suite, pair[:1])
    together = rows(scorer(suite), pair, held, None)
    assert {row["metric"] for row in together} == {*PAIRS, "multi_align"}
    for metric, sets, kind in (("multi_concept", outcome_sets, "right"), ("multi_nouns", noun_sets, "both")):
        known = {k: [means(s.pictures()) for s in found] for k, found in sets(suite, pair).items()}
        by_hand = (functional.outcomes(means(held), known) == kind).mean()
        assert values(together, metric) == {None: by_hand}
    worse = values(rows(scorer(suite), pair, alone, None), "multi_align")[None]
    assert worse != values(together, "multi_align")[None]


def test_a_value_of_the_whole_cell_has_the_standard_error_of_leaving_out_a_prompt(suite, concept):
    pictures = reference_pictures(suite, suite.concepts[1])
    one = rows(scorer(suite), [concept], pictures, [0, 0, 1, 1])
    (mmd,) = [row for row in one if row["metric"] == "mmd"]
    halves = []
    for half in (pictures[:2], pictures[2:]):
        halves.append(values(rows(scorer(suite), [concept], half, [0, 0]), "mmd")[None])
    assert mmd["se"] == pytest.approx(abs(halves[0] - halves[1]) / 2), "of two halves, by hand"


def test_pictures_of_a_folder_are_their_own_ceiling_and_none_is_compared_with_itself(suite, tmp_path):
    from PIL import Image

    folder = tmp_path / "cat"
    folder.mkdir()
    for k, picture in enumerate(reference_pictures(suite, suite.concepts[0])):
        Image.fromarray(picture).save(folder / f"{k}.png")
    concept = suite.concepts[0].model_copy(update={"toybox": None, "folder": "cat"})
    suite = suite.model_copy(update={"root": tmp_path, "concepts": (concept,)})
    own = held_out_pictures(suite, (concept,))
    (align,) = values(rows(scorer(suite), [concept], own, None), "image_align").values()
    f = means(own)
    f /= np.linalg.norm(f, axis=1, keepdims=True)
    assert align == pytest.approx(np.mean([f[i] @ f[j] for i in range(4) for j in range(4) if i != j]))
    assert pair_pictures(suite, (concept, concept)) is None


@pytest.mark.parametrize("autoencoded", [True, False])
def test_references_are_compared_as_the_autoencoder_gives_them_back(suite, tmp_path, autoencoded):
    profile = replace(load_profile("toybox"), autoencoded=autoencoded)
    runner = load(Recipe(suite, tmp_path, profile, "tiny", device="cpu"), print).runner
    features, real = runner.scorer.features["effnet-lite0"], reference_pictures(suite, suite.concepts[0])
    expected = runner.backbone.reconstruct(real) if autoencoded else real
    np.testing.assert_array_equal(features.real(real), features.drawn(expected))
    cached = np.array_equal(features.real(real), features.drawn(real))
    assert cached is not autoencoded, "both ways keep their features apart"


def test_features_are_computed_once_and_again_where_their_file_was_cut_short(tmp_path):
    calls = []

    def extract(pictures):
        calls.append(len(pictures))
        return pictures.reshape(len(pictures), -1).astype(float)

    cache, pictures = FeatureCache(tmp_path, extract, "key"), np.zeros((2, 4, 4, 3), np.uint8)
    first = cache(pictures)
    np.testing.assert_array_equal(cache(pictures), first)
    assert calls == [2]
    (file,) = tmp_path.glob("*.safetensors")
    for content in (file.read_bytes()[:-3], b"", b"\xff" * 20):
        file.write_bytes(content)
        np.testing.assert_array_equal(cache(pictures), first)
    assert calls == [2, 2, 2, 2]
