"""The measurement of the toybox model: its recogniser is right on real pictures, its intervals are the textbook's."""

import numpy as np
import pytest
import torch
from PIL import Image

from cpbench.benchmark.models.extractors import load_extractor
from cpbench.benchmark.pretrain import card, quality
from cpbench.benchmark.protocol import Tick
from cpbench.benchmark.toybox.parts import TINY, build_parts
from cpbench.benchmark.toybox.world import CLASSES


@pytest.fixture(scope="module")
def extract():
    return load_extractor("effnet-lite0", torch.device("cpu"))


@pytest.fixture(scope="module")
def recogniser(extract):
    return quality.fit_recogniser(extract, 320)


@pytest.fixture
def backbone():
    sampling = quality.SAMPLING.model_copy(update={"steps": 2})
    return quality.backbone_of(build_parts(TINY, seed=0), sampling)


def test_the_recogniser_recognises_real_pictures(extract, recogniser):
    of = quality.scenes(70_000_000, 80)
    right = recogniser.right(extract(quality.pictures(of)), of)
    assert right["class"].mean() > 0.9
    assert right["place"].mean() > 0.45, "chance is one in eight"
    assert right["colour"].mean() > 0.25, "chance is one in ten"


def test_the_recogniser_is_at_chance_when_pictures_and_truth_are_mixed_up(extract, recogniser):
    of = quality.scenes(70_000_000, 80)
    right = recogniser.right(extract(quality.pictures(of))[np.random.default_rng(0).permutation(80)], of)
    assert right["class"].mean() < 0.3


def test_the_nearest_prototype_is_the_textbooks():
    rng = np.random.default_rng(0)
    labels = np.repeat(["a", "b", "c"], 50)
    centres = np.repeat(rng.normal(0, 2, (3, 6)), 50, axis=0)
    x = centres + rng.normal(size=(150, 6)) * np.arange(1, 7)
    found = quality.fit_prototypes(x, labels)
    within = np.cov((x - np.repeat(found.means, 50, axis=0)).T, bias=True)
    covariance = 0.9 * within + 0.1 * np.trace(within) / 6 * np.eye(6)
    gaps = x[:, None] - found.means[None]
    expected = np.einsum("ncd,de,nce->nc", gaps, np.linalg.inv(covariance), gaps).argmin(1)
    assert (found.nearest(x, 0.1) == np.array(["a", "b", "c"])[expected]).all()


@pytest.mark.parametrize(
    ("right", "n", "interval"),
    [(8, 10, (0.4902, 0.9433)), (0, 10, (0.0, 0.2775)), (10, 10, (0.7225, 1.0)), (50, 100, (0.4038, 0.5962))],
)
def test_the_interval_of_an_accuracy_agrees_with_hand_values(right, n, interval):
    found = quality.accuracy("x", np.arange(n) < right)
    assert (found["x_low"], found["x_high"]) == pytest.approx(interval, abs=5e-5)


def test_an_accuracy_carries_its_interval_and_its_count():
    found = quality.accuracy("class", np.array([True] * 8 + [False] * 2))
    assert found["class"] == 0.8 and found["class_n"] == 10
    assert found["class_low"] == pytest.approx(0.4902, abs=5e-5)


def test_the_psnr_of_a_known_error_is_the_formulas(backbone, monkeypatch):
    monkeypatch.setattr(type(backbone), "encode", lambda self, x: torch.from_numpy(x.copy()))
    monkeypatch.setattr(type(backbone), "decode", lambda self, z: np.where(z.numpy() > 127, z - 5, z + 5).astype("u1"))
    found = quality.autoencoder_psnr(backbone, 8)
    assert found["psnr"] == found["psnr_of_mean_error"] == pytest.approx(20 * np.log10(255 / 5))


def test_timesteps_are_the_middles_of_equal_parts_of_the_middle_range():
    assert quality.spaced(8) == [150, 250, 350, 450, 550, 650, 750, 850]
    assert quality.spaced(1) == [500]


def test_prompts_share_their_noise_so_equal_prompts_have_equal_errors(backbone):
    z = backbone.encode(quality.pictures(quality.scenes(70_000_000, 3)))
    errors = quality.prompt_errors(backbone, z, ["a photo of a cat", "a dog", "a photo of a cat"], [300, 600], 1)
    assert errors.shape == (3, 3)
    assert torch.equal(errors[:, 0], errors[:, 2])
    assert not torch.equal(errors[:, 0], errors[:, 1])


def test_drawing_is_repeatable_and_each_picture_has_its_own_noise(backbone):
    first, again = (quality.draw(backbone, ["a cat", "a cat"], 3) for _ in range(2))
    assert (first == again).all()
    assert (first[0] != first[1]).any()


def test_measuring_leaves_the_parts_alone_reports_its_progress_and_fills_the_card():
    parts, ticks = build_parts(TINY, seed=0), []
    counts = quality.Counts(pictures=8, prototypes=96, classified=4, timesteps=2)
    figures = quality.measure(parts, 0, ticks.append, counts)
    assert all(p.requires_grad for p in parts.unet.parameters())
    assert {t.phase for t in ticks} == {"prototypes", "samples", "recognised", "classified"}
    assert Tick("samples", 8, 8) in ticks
    text = card.model_card(figures)
    assert f"{figures['place_ceiling']:.1%}" in text and "≥ 27 dB" in text
    assert len({line.count("|") for line in text.splitlines() if line.startswith("|")}) == 1


def test_the_sheet_has_a_column_for_each_class(tmp_path):
    few = quality.SAMPLING.model_copy(update={"steps": 2})
    captions = card.write_sheet(build_parts(TINY, seed=0), 0, tmp_path / "sheet.png", few)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (12 * 128, 4 * 128)
    assert all(CLASSES[k % 12] in caption.split() for k, caption in enumerate(captions))
    assert len(captions) == 48
