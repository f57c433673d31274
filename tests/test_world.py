"""The toybox world and its tokenizer."""

import numpy as np
import pytest

from cpbench.benchmark.toybox.captions import random_scene, vocabulary
from cpbench.benchmark.toybox.figures import ACCESSORIES
from cpbench.benchmark.toybox.parts import MAX_TOKENS, build_tokenizer
from cpbench.benchmark.toybox.places import PLACES
from cpbench.benchmark.toybox.world import CLASSES, COLOURS, PATTERNS, portraits, unusual_individual


def test_the_world_is_as_rich_as_promised():
    assert len(CLASSES) >= 12
    assert (len(COLOURS), len(PATTERNS), len(PLACES), len(ACCESSORIES)) == (10, 4, 8, 4)


def test_the_same_seed_draws_the_same_scene_and_another_seed_another():
    a, b, c = random_scene(5), random_scene(5), random_scene(6)
    assert np.array_equal(a.picture, b.picture)
    assert a.caption == b.caption
    assert not np.array_equal(a.picture, c.picture)


def test_about_a_quarter_of_the_scenes_hold_two_subjects():
    share = np.mean([random_scene(k).subjects == 2 for k in range(300)])
    assert 0.15 < share < 0.35


def test_a_scene_for_evaluation_names_all_that_is_asked_about():
    for k in range(30):
        scene = random_scene(k, alone=True)
        assert scene.noun in scene.caption
        assert scene.colour in scene.caption


@pytest.mark.parametrize("noun", CLASSES)
def test_an_individual_keeps_its_looks_and_differs_from_its_look_alikes(noun):
    one, other = (np.stack(portraits([unusual_individual(noun, s)], 8, 1)).astype(float) for s in (1, 2))
    again = np.stack(portraits([unusual_individual(noun, 1)], 8, 1)).astype(float)
    assert np.array_equal(one, again)
    assert np.abs(one - other).mean() > 5


def test_training_and_reference_pictures_of_a_concept_never_coincide(suite):
    from cpbench.benchmark.suite.concepts import held_out_pictures, reference_pictures, training_pictures

    concept = suite.concepts[0]
    sets = [training_pictures(suite, concept), reference_pictures(suite, concept), held_out_pictures(suite, (concept,))]
    seen = [p.tobytes() for pictures in sets for p in pictures]
    assert len(seen) == len(set(seen))


def test_every_word_of_the_captions_is_one_token():
    tokenizer = build_tokenizer()
    for word in vocabulary():
        assert len(tokenizer(word, add_special_tokens=False).input_ids) == 1, word


def test_no_caption_is_longer_than_the_text_encoder_reads():
    tokenizer = build_tokenizer()
    assert max(len(tokenizer(random_scene(k).caption).input_ids) for k in range(300)) <= MAX_TOKENS
