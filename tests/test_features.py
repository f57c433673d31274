"""The cache of features: what was changed on the disk is never taken for what was computed."""

import numpy as np

from cpbench.benchmark.models.feature_cache import FeatureCache


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
