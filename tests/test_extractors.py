"""Extractors: features that do not depend on what stands beside a picture, and equal those of the libraries."""

import json
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from torchvision import transforms

from cpbench.benchmark.errors import BadInput, Damaged
from cpbench.benchmark.models import hub
from cpbench.benchmark.models.aligners import load_aligner, reads
from cpbench.benchmark.models.extractors import CLIPS, EXTRACTORS, Preparation, load_extractor
from cpbench.benchmark.scoring.functional import unit

CPU = torch.device("cpu")


def pictures(n: int, seed: int = 0, height: int = 64, width: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, height, width, 3), dtype=np.uint8)


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache of the hub, and one of torch; small batches, for large networks on few pictures."""
    monkeypatch.setattr("cpbench.benchmark.models.extractors.BATCH", 2)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path


def place(cache: Path, repository: str, name: str, write) -> Path:
    """A file in the cache as the hub's client lays it out."""
    folder = cache / f"models--{repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True, exist_ok=True)
    (folder / "refs" / "main").write_text("abc")
    file = folder / "snapshots" / "abc" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    write(file)
    return file


def stored(module):
    tensors = {k: v.contiguous() for k, v in module.state_dict().items()}
    return lambda file: save_file(tensors, file)


def random_clip(cache: Path, name: str, quick: bool = True):
    import open_clip

    model, repository = CLIPS[name]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network, _, prepare = open_clip.create_model_and_transforms(model, pretrained=None)
    place(cache, repository, "open_clip_model.safetensors", stored(network))
    config = json.dumps({"model_cfg": {"quick_gelu": quick}})
    place(cache, repository, "open_clip_config.json", lambda file: file.write_text(config))
    return network.eval(), prepare


def test_features_do_not_depend_on_the_pictures_beside_them_to_the_last_bit():
    lite = load_extractor("effnet-lite0", CPU)
    x = pictures(70)
    all_, shuffled = lite(x), np.random.default_rng(1).permutation(70)
    np.testing.assert_array_equal(lite(x[shuffled]), all_[shuffled])
    for n in (1, 5, 8, 33):
        np.testing.assert_array_equal(lite(x[:n]), all_[:n])


def test_float_pictures_are_refused_because_they_would_be_scaled_twice():
    with pytest.raises(TypeError, match="uint8"):
        load_extractor("effnet-lite0", CPU)(pictures(1).astype(np.float32) / 255)


def test_the_features_of_toybox_clip_are_its_picture_embeddings():
    clip, _ = load_aligner("toybox-clip", CPU)
    x = pictures(3)
    below = load_extractor(reads("toybox-clip"), CPU)(x)
    np.testing.assert_allclose(load_extractor("toybox-clip", CPU)(x), clip.image(below), atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (300, 200), (97, 401)])
def test_the_preparation_is_torchvisions_on_pillow_pictures(height, width):
    mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    bicubic = transforms.InterpolationMode.BICUBIC
    theirs = transforms.Compose(
        [
            transforms.Resize(256, interpolation=bicubic),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize(mean, deviation),
        ]
    )
    x = pictures(2, 1, height, width)
    expected = torch.stack([theirs(Image.fromarray(p)) for p in x])
    torch.testing.assert_close(Preparation(256, 224, mean, deviation)(x), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ["clip-b32", pytest.param("clip-l14", marks=pytest.mark.slow)])
def test_clip_gives_the_features_and_texts_of_open_clip(cache, name):
    import open_clip

    network, prepare = random_clip(cache, name)
    x, texts = pictures(2), ["photo of a cat", "a cat at night"]
    with torch.no_grad():
        seen = network.encode_image(torch.stack([prepare(Image.fromarray(p)) for p in x])).double().numpy()
        told = network.encode_text(open_clip.get_tokenizer(CLIPS[name][0])(texts)).double().numpy()
    ours = load_extractor(name, CPU)(x)
    np.testing.assert_allclose(unit(ours), unit(seen), atol=1e-5)
    aligner, _ = load_aligner(name, CPU)
    np.testing.assert_allclose(unit(aligner.text(texts)), unit(told), atol=1e-5)
    assert aligner.image(ours) is ours
    with pytest.raises(BadInput, match=r"longer than 75 tokens"):
        aligner.text(["cat " * 76])


def test_a_clip_of_the_other_activation_is_an_error_and_not_a_warning(cache):
    random_clip(cache, "clip-b32", quick=False)
    with pytest.raises(BadInput, match="quick_gelu false"):
        load_extractor("clip-b32", CPU)


@pytest.mark.parametrize(
    ("name", "model", "options"),
    [
        ("dino-s16", "vit_small_patch16_224.dino", {}),
        ("dino-s8", "vit_small_patch8_224.dino", {}),
        ("dinov2-b", "vit_base_patch14_dinov2.lvd142m", {"img_size": 224}),
    ],
)
def test_dino_gives_the_features_of_timm(cache, name, model, options):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = timm.create_model(model, pretrained=False, num_classes=0, **options).eval()
    place(cache, f"timm/{model}", "model.safetensors", stored(network))
    extractor, x = load_extractor(name, CPU), pictures(1)
    with torch.no_grad():
        expected = network(extractor.prepare(x)).double().numpy()
    np.testing.assert_allclose(extractor(x), expected, atol=1e-4)


def test_dinov2_reads_a_checkpoint_of_larger_pictures_with_its_positions_resampled(cache):
    model = "vit_base_patch14_dinov2.lvd142m"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        large = timm.create_model(model, pretrained=False, num_classes=0)
    place(cache, f"timm/{model}", "model.safetensors", stored(large))
    small = load_extractor("dinov2-b", CPU).network
    assert large.pos_embed.shape[1] > small.pos_embed.shape[1] == 1 + 16 * 16
    torch.testing.assert_close(small.blocks[0].attn.qkv.weight, large.blocks[0].attn.qkv.weight.detach())


@pytest.mark.parametrize("name", sorted(set(EXTRACTORS) - {"effnet-lite0", "toybox-clip", "inception"}))
def test_missing_weights_are_told_with_the_command_that_fetches_them(cache, name):
    with pytest.raises(BadInput, match=rf"extractor '{name}' needs weights .*'hf download timm/\S+ \S+\.safetensors"):
        load_extractor(name, CPU)


def test_weights_of_another_network_are_refused_with_the_name_of_the_file(cache):
    file = place(cache, "timm/vit_small_patch16_224.dino", "model.safetensors", stored(torch.nn.Linear(2, 2)))
    with pytest.raises(Damaged, match=str(file)):
        load_extractor("dino-s16", CPU)


def test_an_unknown_extractor_or_aligner_is_told_what_is_near():
    with pytest.raises(BadInput, match="did you mean clip-b32"):
        load_extractor("clip-b23", CPU)
    with pytest.raises(BadInput, match="unknown aligner"):
        load_aligner("dino-s16", CPU)


def test_a_file_of_torchs_cache_is_checked_against_the_digits_in_its_name(cache):
    with pytest.raises(BadInput, match=r"'curl -L --create-dirs -o \S+net-e3b0c442\.pth https://x/y'"):
        hub.torch_file("LPIPS", "net-e3b0c442.pth", "https://x/y")
    file = Path(torch.hub.get_dir()) / "checkpoints" / "net-e3b0c442.pth"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"")
    assert hub.torch_file("LPIPS", file.name, "https://x/y") == file, "e3b0c442… is the sha256 of nothing"
    file.write_bytes(b"x")
    with pytest.raises(Damaged, match="checksum"):
        hub.torch_file("LPIPS", file.name, "https://x/y")


def test_inception_equals_torch_fidelity_on_random_weights(cache, monkeypatch, tmp_path):
    theirs = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3", reason="needs cpbench[fid]")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        monkeypatch.setattr(theirs, "load_state_dict_from_url", lambda *a, **k: None)
        monkeypatch.setattr(theirs.FeatureExtractorInceptionV3, "load_state_dict", lambda self, state: None)
        network = theirs.FeatureExtractorInceptionV3("x", ["2048"])
        monkeypatch.undo()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    file = tmp_path / "inception.pth"
    torch.save(network.state_dict(), file)
    monkeypatch.setattr("cpbench.benchmark.models.extractors.torch_file", lambda *a: file)
    x = pictures(2)
    with torch.no_grad():
        expected = network(torch.from_numpy(x).permute(0, 3, 1, 2))[0].double().numpy()
    np.testing.assert_allclose(load_extractor("inception", CPU)(x), expected, atol=1e-5)


def test_inception_without_torch_fidelity_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch_fidelity.feature_extractor_inceptionv3", None)
    with pytest.raises(BadInput, match=r"pip install 'cpbench\[fid\]'"):
        load_extractor("inception", CPU)


def test_the_frechet_distance_is_that_of_torch_fidelity_on_the_same_features():
    theirs = pytest.importorskip("torch_fidelity.metric_fid", reason="needs cpbench[fid]")
    from cpbench.benchmark.scoring.functional import frechet

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 16)), rng.normal(0.3, 1.2, (80, 16))
    stats = [theirs.fid_features_to_statistics(torch.from_numpy(f)) for f in (x, y)]
    expected = theirs.fid_statistics_to_metric(*stats, False)["frechet_inception_distance"]
    assert frechet(x, y) == pytest.approx(expected, rel=1e-6)


def test_fid_is_that_of_torch_fidelity_on_the_same_pictures(tmp_path):
    fidelity = pytest.importorskip("torch_fidelity", reason="needs cpbench[fid]")
    from cpbench.benchmark.scoring.functional import frechet

    try:
        inception = load_extractor("inception", CPU)
    except BadInput as missing:
        pytest.skip(str(missing))
    sets = [pictures(40, seed) for seed in (0, 1)]
    for k, some in enumerate(sets):
        (tmp_path / str(k)).mkdir()
        for n, picture in enumerate(some):
            Image.fromarray(picture).save(tmp_path / str(k) / f"{n}.png")
    expected = fidelity.calculate_metrics(
        input1=str(tmp_path / "0"), input2=str(tmp_path / "1"), fid=True, cuda=False, verbose=False, cache=False
    )["frechet_inception_distance"]
    assert frechet(*(inception(some) for some in sets)) == pytest.approx(expected, rel=1e-4)


def test_lpips_diversity_is_the_mean_of_torchmetrics_lpips_over_pairs(cache, monkeypatch):
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity
    from torchvision.models import alexnet

    from cpbench.benchmark.scoring import lpips

    lpips.lpips_network.cache_clear()
    file = Path(torch.hub.get_dir()) / "checkpoints" / lpips.ALEXNET
    file.parent.mkdir(parents=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.save(alexnet(weights=None).state_dict(), file)
    with pytest.raises(Damaged, match="checksum"):
        lpips.lpips_diversity(pictures(2), [0, 0])
    monkeypatch.setattr(lpips, "torch_file", lambda *a: file)
    x = pictures(4)
    found = lpips.lpips_diversity(x, [0, 0, 0, 1])
    theirs = LearnedPerceptualImagePatchSimilarity(net_type="alex")
    scaled = torch.from_numpy(x).permute(0, 3, 1, 2).float() / 127.5 - 1
    pair = {(a, b): theirs(scaled[a : a + 1], scaled[b : b + 1]).item() for a, b in ((0, 1), (0, 2), (1, 2))}
    assert found[0] == pytest.approx((pair[0, 1] + pair[0, 2]) / 2, rel=1e-4)
    assert found[2] == pytest.approx((pair[0, 2] + pair[1, 2]) / 2, rel=1e-4)
    assert np.isnan(found[3])
    lpips.lpips_network.cache_clear()


def test_lpips_without_weights_says_how_to_fetch_them(cache):
    from cpbench.benchmark.scoring import lpips

    lpips.lpips_network.cache_clear()
    with pytest.raises(BadInput, match=r"LPIPS needs weights .*'curl -L --create-dirs -o \S+alexnet"):
        lpips.lpips_diversity(pictures(2), [0, 0])


def test_features_are_of_full_precision_whatever_the_caller_runs_under():
    extractor, shown = load_extractor("effnet-lite0", CPU), pictures(2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under = extractor(shown)
    np.testing.assert_array_equal(under, extractor(shown))
