"""What is compared with what: drawn with real pictures, real ones as the autoencoder gives them back."""

import numpy as np
import pytest

from cpbench.benchmark import data
from cpbench.benchmark.protocol import Pictures
from cpbench.benchmark.scoring import Scorer
from cpbench.benchmark.session import open_session


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


def scorer(suite, **changes):
    return Scorer(**({"suite": suite, "drawn": means, "real": means, "aligner": Words()} | changes))


def values(rows, metric):
    return {row["prompt"]: row["value"] for row in rows if row["metric"] == metric}


def test_a_drawn_picture_is_compared_with_the_prompt_it_was_drawn_from(suite):
    concept = suite.concepts[0]
    rows = scorer(suite).rows(concept, data.held_out_pictures(suite, concept), [0, 0, 1, 1])
    assert values(rows, "text_align") == {0: 0.0, 1: 1.0}, "the second prompt of the tiny suite says 'at night'"
    assert {row["n"] for row in rows if row["metric"] == "text_align"} == {2}


def test_real_pictures_have_no_prompt_and_no_text_is_compared_without_an_aligner(suite):
    concept = suite.concepts[0]
    real = data.held_out_pictures(suite, concept)
    assert values(scorer(suite).rows(concept, real, None), "text_align") == {}
    assert values(scorer(suite, aligner=None).rows(concept, real, [0] * 4), "text_align") == {}


def test_real_pictures_go_through_the_real_path_and_drawn_ones_do_not(suite):
    concept, seen = suite.concepts[0], {"drawn": 0, "real": 0}

    def counted(which):
        def features(pictures):
            seen[which] += len(pictures)
            return means(pictures)

        return features

    made = scorer(suite, drawn=counted("drawn"), real=counted("real"))
    pictures = data.held_out_pictures(suite, concept)
    made.rows(concept, pictures, [0] * 4)
    assert seen == {"drawn": 4, "real": 4 * 3}, "references and two look-alikes"
    made.rows(concept, pictures, None)
    assert seen == {"drawn": 4, "real": 4 * 7}


@pytest.mark.parametrize("autoencoded", [True, False])
def test_references_are_compared_as_the_autoencoder_gives_them_back(suite, tmp_path, autoencoded):
    evaluation = suite.evaluation.model_copy(update={"autoencoded": autoencoded})
    suite = suite.model_copy(update={"evaluation": evaluation})
    session = open_session(suite, tmp_path, backbone=None, device="cpu", dtype="float32", warn=print)
    real = data.reference_pictures(suite, suite.concepts[0])
    expected = session.backbone.reconstruct(real) if autoencoded else real
    np.testing.assert_array_equal(session.scorer.real(real), session.scorer.drawn(expected))
    cached = np.array_equal(session.scorer.real(real), session.scorer.drawn(real))
    assert cached is not autoencoded, "both ways keep their features apart"
