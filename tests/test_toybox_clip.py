"""toybox-clip: the shipped weights tell captions apart as recorded, and damage is refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from cpbench.benchmark.errors import BadInput, Damaged
from cpbench.benchmark.models.extractors import load_extractor
from cpbench.benchmark.pretrain import quality
from cpbench.benchmark.pretrain.contrast import ClipRecipe, ContrastiveLoss, meaning, preference, rivals, train_clip
from cpbench.benchmark.toybox.captions import random_scene
from cpbench.benchmark.toybox.clip import FEATURES, build_clip, read_about, read_clip, write_clip
from cpbench.benchmark.toybox.weights import read_parts, weights_folder

FRESH = 150


@pytest.fixture(scope="module")
def clip():
    return read_clip()


@pytest.fixture(scope="module")
def fresh():
    """Scenes that neither training nor the recorded accuracy has seen."""
    return [random_scene(60_000_000 + k, alone=True) for k in range(FRESH)]


@pytest.fixture(scope="module")
def features(fresh):
    seen = quality.backbone_of(read_parts()).reconstruct(quality.pictures(fresh))
    return load_extractor("effnet-lite0", torch.device("cpu"))(seen)


@pytest.fixture
def copied(tmp_path):
    for name in ("clip.safetensors", "clip.json"):
        shutil.copy(weights_folder() / name, tmp_path / name)
    return tmp_path


def test_it_prefers_the_right_caption_on_fresh_scenes_as_often_as_recorded(clip, fresh, features):
    recorded = read_about()["accuracy"]
    for what, found in preference(clip, features, fresh).items():
        p = min(recorded[what], 0.98)
        noise = (p * (1 - p) * (1 / FRESH + 1 / 512)) ** 0.5
        assert abs(found - recorded[what]) < 4 * noise, what


def test_every_right_caption_is_nearer_than_another_scenes_caption_on_average(clip, fresh, features):
    from cpbench.benchmark.scoring.functional import text_align

    captions = [s.caption for s in fresh]
    own = text_align(clip.image(features), clip.text(captions))
    other = text_align(clip.image(features), clip.text([*captions[1:], captions[0]]))
    assert own.mean() > other.mean() + 0.2


def test_an_embedding_does_not_depend_on_the_other_texts(clip):
    short, long = "a photo of a cat", "a photo of a red and blue striped dog wearing a crown in the snow"
    np.testing.assert_allclose(clip.text([short, long])[0], clip.text([short])[0], atol=1e-5)


def test_the_file_is_small_and_its_key_follows_its_content(clip):
    assert (weights_folder() / "clip.safetensors").stat().st_size <= 1.2e6
    assert clip.key and clip.key == read_clip().key


def test_a_damaged_file_is_refused_with_its_name(copied):
    file = copied / "clip.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(Damaged, match=r"clip\.safetensors does not match its checksum"):
        read_clip(copied)


@pytest.mark.parametrize("name", ["clip.safetensors", "clip.json"])
def test_a_missing_file_is_refused_with_its_name(copied, name):
    (copied / name).unlink()
    with pytest.raises(Damaged, match=rf"{name} is missing"):
        read_clip(copied)


def test_texts_beyond_the_encoders_length_and_foreign_features_are_refused(clip):
    with pytest.raises(BadInput, match="longer than 32 tokens"):
        clip.text(["a cat", "very " * 40 + "red"])
    with pytest.raises(BadInput, match="effnet-lite0"):
        clip.image(np.zeros((2, 512)))


def test_rivals_differ_from_the_caption_in_one_thing_and_never_name_a_colour_twice(fresh):
    for scene in fresh[:40]:
        found = rivals(scene)
        assert len(found["class"]) == 11
        assert len(found["place"]) == 7
        patterned = any(p in scene.caption for p in ("striped", "spotted", "checkered"))
        assert len(found["colour"]) == (8 if patterned else 9)
        for what, texts in found.items():
            assert scene.caption not in texts and len(set(texts)) == len(texts), what


def test_captions_that_say_the_same_never_meet_in_a_batch():
    captions = ["a photo of a cat", "photo of a cat", "a cat", "a picture of a dog", "a dog", "a red dog"]
    assert [meaning(c) for c in captions] == ["a cat"] * 3 + ["a dog"] * 2 + ["a red dog"]
    contrast = ContrastiveLoss(ClipRecipe(batch=6), build_clip(0), torch.zeros(6, FEATURES), captions)
    for seed in range(5):
        rows = contrast.rows(torch.Generator().manual_seed(seed)).tolist()
        assert sorted(meaning(captions[k]) for k in rows) == ["a cat", "a dog", "a red dog"]


def test_training_is_repeatable_and_what_is_written_is_what_is_read(tmp_path):
    recipe = ClipRecipe(updates=12, batch=8, rate=1e-2)
    captions = [random_scene(k).caption for k in range(32)]
    features = np.random.default_rng(0).normal(size=(32, FEATURES))
    losses = {}
    for run in ("a", "b"):
        clip = build_clip(0)
        (tmp_path / run).mkdir()
        losses[run] = [p.loss for p in train_clip(clip, features, captions, recipe, tmp_path / run)]
    assert losses["a"] == losses["b"] and len(losses["a"]) == 12
    write_clip(clip, tmp_path / "out", {"updates": 12}, {"class": 0.5})
    assert json.loads((tmp_path / "out" / "clip.json").read_text())["recipe"]["updates"] == 12
    again = read_clip(Path(tmp_path / "out"))
    np.testing.assert_allclose(again.image(features), clip.image(features), atol=1e-2)
    np.testing.assert_allclose(again.text(captions), clip.text(captions), atol=1e-2)
