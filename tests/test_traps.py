"""The traps that other measurements fell into, each with the test that keeps us out; some have theirs elsewhere.

1, 2: test_metrics (KID on the full sample; unit-norm features). 6, 7, 12: test_extractors (QuickGELU, Pillow's
preparation, long texts). 8: test_pictures. 10: test_backbone (one generator a picture). 14: test_tables.
"""

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics.pairwise import polynomial_kernel

from conftest import write_suite
from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.models.extractors import Preparation
from cpbench.benchmark.run.work.pictures import read_pictures, write_pictures
from cpbench.benchmark.scoring import functional
from cpbench.benchmark.suite.concepts import check_suite
from cpbench.benchmark.suite.spec import load_suite
from cpbench.reports.analysis.board import boards
from cpbench.reports.analysis.entry import entry_of
from cpbench.reports.tables.notes import note
from synthetic import record, row


def test_trap_3_torchmetrics_poly_mmd_is_wrong_at_unequal_sizes_and_ours_is_not():
    from torchmetrics.image.kid import poly_mmd

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 4)), rng.normal(0.5, 1, (14, 4))
    k = [polynomial_kernel(a, b, degree=3, coef0=1) for a, b in ((x, x), (y, y), (x, y))]
    right = (k[0].sum() - np.trace(k[0])) / 30 + (k[1].sum() - np.trace(k[1])) / 182 - 2 * k[2].mean()
    assert functional.kid(x, y) == pytest.approx(right, abs=1e-10)
    try:
        theirs = poly_mmd(torch.from_numpy(x), torch.from_numpy(y)).item()
    except RuntimeError:
        return  # a later torchmetrics refuses
    assert theirs != pytest.approx(right, rel=0.05)


def test_trap_4_pictures_are_bytes_until_they_are_normalised():
    x = np.full((1, 8, 8, 3), 255, dtype=np.uint8)
    prepared = Preparation(8, 8, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))(x)
    assert prepared.unique().tolist() == [1.0], "white is 1, not 1/255"


def test_trap_5_resizing_is_pillows_and_torchs_without_antialias_is_far_from_it():
    x = np.random.default_rng(0).integers(0, 256, (1, 200, 200, 3), dtype=np.uint8)
    ours = Preparation(50, 50, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))(x)[0].permute(1, 2, 0).numpy() * 255
    pillow = np.asarray(Image.fromarray(x[0]).resize((50, 50), Image.Resampling.BICUBIC))
    np.testing.assert_allclose(ours, pillow, atol=1e-4)
    plain = torch.nn.functional.interpolate(torch.from_numpy(x).permute(0, 3, 1, 2).float(), (50, 50), mode="bicubic")
    assert np.abs(plain[0].permute(1, 2, 0).numpy() - pillow).mean() > 12


def test_trap_9_drawn_pictures_are_kept_without_loss(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (12, 64, 64, 3), dtype=np.uint8)
    write_pictures(tmp_path, x)
    np.testing.assert_array_equal(read_pictures(tmp_path), x)
    assert {f.suffix for f in tmp_path.iterdir()} == {".png"}


def test_trap_11_an_empty_folder_of_references_is_refused_and_no_score_is_made_of_it(tmp_path):
    (tmp_path / "cat").mkdir()
    suite = load_suite(str(write_suite(tmp_path, concepts=[{"name": "cat", "noun": "cat", "folder": "cat"}])))
    with pytest.raises(BadInput, match=r"'cat'.*no pictures"):
        check_suite(suite)


def test_trap_13_pictures_nearer_to_the_real_ones_than_real_ones_are_is_said_to_be_copying():
    def with_align(value):
        content = record().model_dump(by_alias=True)
        rows = [row("image_align", 3, j, value) for j in (1, 2, 3)]
        rows += [row("image_align", 0, j, 0.7, source="real") for j in (1, 2, 3)]
        return entry_of(type(record()).model_validate(content | {"scores": [*content["scores"], *rows]}))

    assert "perhaps copies: clora" in note(boards([with_align(0.8)])[0])
    assert "copies" not in note(boards([with_align(0.6)])[0])
