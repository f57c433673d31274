"""What is kept rather than computed again: texts, latents and hashes of weights. Nothing of it may change a bit."""

import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from pipelines import KINDS, written

from conftest import TINY
from cpbench.benchmark.models import autoencoder
from cpbench.benchmark.models.engine import Engine
from cpbench.benchmark.models.known_hashes import known_hash
from cpbench.benchmark.models.loading import load_backbone
from cpbench.benchmark.models.text_cache import MOST, TextCache
from cpbench.benchmark.run.opening import load
from cpbench.benchmark.run.session import Recipe
from cpbench.benchmark.scoring.profiles import load_profile
from cpbench.benchmark.suite.spec import Sampling
from cpbench.methods.fisher import _Passes
from cpbench.methods.loop import Room
from cpbench.methods.registry import choose
from learners import CAR, CAT, DOG, drawn, learner, short_of

PROMPTS = ["photo of a cat", "photo of a red car"]
FEW = (("dsc", "iterations", 6), ("ziplora", "iterations", 2), ("ewc", "passes", 2))


@pytest.fixture
def readings(monkeypatch):
    """How often prompts are read by the text encoders of any model."""
    from cpbench.benchmark.models.latent import LatentModel

    seen, read = [], LatentModel._embedded
    monkeypatch.setattr(
        LatentModel, "_embedded", lambda own, texts, params: seen.append(texts) or read(own, texts, params)
    )
    return seen


@pytest.mark.parametrize("name", ["dsc", "ewc-dc", "clora", "ziplora", "dop", "ti"])
def test_a_method_learns_the_same_bits_with_and_without_kept_texts(name, pristine, monkeypatch, readings):
    (chosen,) = choose(name, {})
    few = {f"{s}__{option}": n for s, option, n in FEW if s in chosen.options}
    found, read = [], []
    for keep in (True, False):
        if not keep:
            monkeypatch.setattr(TextCache, "of", lambda self, prompts, encoders, read: read())
        readings.clear()
        made = learner(name, pristine, CAT, CAR, DOG, **few)
        found.append([*made.adapter.state().values(), *(row for rows in made.backbone.tokens.values() for row in rows)])
        read.append(len(readings))
    assert all(map(torch.equal, *found))
    assert read[0] < read[1] if name in ("dsc", "ewc-dc") else read[0] <= read[1]


def test_texts_are_read_once_while_nothing_of_the_encoder_changes(backbone, readings):
    with backbone.keep_texts():
        _read_while_things_change(backbone, readings)
    before = len(readings)
    backbone.embed(PROMPTS), backbone.embed(PROMPTS)
    assert len(readings) == before + 2, "code of others may change weights without a trace"


def _read_while_things_change(backbone, readings):
    first, again = backbone.embed(PROMPTS), backbone.embed(PROMPTS)
    assert len(readings) == 1 and torch.equal(first.states, again.states)
    backbone.add_token("<mallow>", backbone.word_rows("cat"))[0].requires_grad_(False)
    backbone.embed(PROMPTS)
    assert len(readings) == 2, "a new token may be in any prompt"
    row = backbone.tokens["<mallow>"][0]
    text = backbone.embed(["photo of a <mallow>"]).states
    with torch.no_grad():
        row.mul_(2)
    assert not torch.equal(backbone.embed(["photo of a <mallow>"]).states, text), "its embedding was written to"
    row.requires_grad_(True)
    before = len(readings)
    assert backbone.embed(["photo of a <mallow>"]).states.requires_grad
    backbone.embed(["photo of a <mallow>"])
    assert len(readings) == before + 2, "what is trained is read each time"


def test_a_hooked_encoder_is_read_each_time_and_few_texts_are_kept(backbone, readings):
    with backbone.keep_texts():
        for k in range(MOST + 1):
            backbone.embed([f"photo of a cat {k}"])
        assert len(backbone.texts.kept) == MOST
        hook = backbone.readers[0].encoder.register_forward_hook(lambda *given: None)
        readings.clear()
        backbone.embed(PROMPTS), backbone.embed(PROMPTS)
        assert len(readings) == 2
        hook.remove()
    assert not backbone.texts.kept


def test_copies_of_a_model_keep_texts_of_their_own(pristine):
    own = pristine.shared()
    own.embed(PROMPTS)
    assert own.texts is not pristine.texts and own.copy().texts is not own.texts
    assert own.resampled(own.sampling).texts is not own.texts


def test_the_autoencoder_reads_and_writes_a_few_pictures_at_once(backbone, monkeypatch):
    pictures = np.concatenate([CAT.pictures[:2], CAR.pictures[:1]])
    latents, seen, encode = backbone.encode(pictures), [], backbone.vae.encode
    again = backbone.decode(latents)
    monkeypatch.setattr(autoencoder, "_PIXELS", 2 * 64 * 64)
    monkeypatch.setattr(backbone.vae, "encode", lambda x: seen.append(len(x)) or encode(x))
    assert torch.allclose(backbone.encode(pictures), latents, atol=1e-6) and seen == [2, 1]
    assert np.abs(backbone.decode(latents).astype(int) - again).max() <= 1


def test_latents_come_from_the_disk_with_the_bits_that_they_were_computed_with(backbone, tmp_path, monkeypatch):
    pictures = CAT.pictures[:2]
    plain = backbone.encode(pictures)
    backbone.keep_latents(tmp_path, "a key")
    assert torch.equal(backbone.encode(pictures), plain)
    monkeypatch.setattr(backbone.vae, "encode", None)
    assert torch.equal(backbone.encode(pictures), plain)
    assert torch.equal(backbone.copy().encode(pictures), plain), "copies have the same autoencoder"
    with pytest.raises(TypeError):
        backbone.encode(pictures ^ np.uint8(1))
    (file,) = tmp_path.glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(TypeError):
        backbone.encode(pictures)


def test_a_real_model_keeps_its_latents_and_the_hash_of_its_weights(tmp_path, suite):
    _, folder = written(tmp_path / "model", KINDS["noise"])
    recipe = Recipe(suite, tmp_path / "home", load_profile("toybox"), folder)
    opened = load(recipe, print)
    opened.runner.backbone.encode(CAT.pictures[:2])
    assert (tmp_path / "home" / "features").is_dir() and (tmp_path / "home" / "weights.json").is_file()
    assert load(recipe, print).facts.weights == opened.facts.weights
    assert load(replace(recipe, backbone="toybox"), print).runner.backbone.latents is None


def test_a_hash_of_weights_is_computed_again_when_a_file_changed(tmp_path):
    folder, counted = tmp_path / "model", []
    (folder / "unet").mkdir(parents=True)
    file = folder / "unet" / "a.safetensors"
    file.write_bytes(b"12")

    def hashed():
        counted.append(1)
        return file.read_bytes().decode()

    assert known_hash(folder, tmp_path, hashed) == known_hash(folder, tmp_path, hashed) == "12" and len(counted) == 1
    times = file.stat()
    file.write_bytes(b"34")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert known_hash(folder, tmp_path, hashed) == "34", "even with the time of the file set back"
    (tmp_path / "weights.json").write_text("[")
    assert known_hash(folder, tmp_path, hashed) == "34" and len(counted) == 3
    assert known_hash(folder, None, hashed) == "34" and len(counted) == 4


def test_importance_in_parts_has_the_gradients_of_the_whole_and_fewer_candidates_at_once(pristine, monkeypatch):
    made = learner("ewc-dc", pristine, CAT, CAR)
    (ewc,) = made.consolidations
    step, known = drawn(made, CAR, 1), [CAR.subject, CAT.subject, DOG.subject]
    whole, parts = (
        _Passes(made, CAR, lambda e: [e[:, 0], ewc.losses(e)[0]], Room(made.backbone, size)).alone((step, known))
        for size in (3, 2)
    )
    assert torch.allclose(whole.errors, parts.errors, rtol=1e-5) and whole.loss == pytest.approx(parts.loss, rel=1e-5)
    for one, other in zip(whole.gradients, parts.gradients, strict=True):
        assert (one - other).norm() <= 1e-5 * one.norm() and one.norm() > 0


def test_importance_is_found_with_less_memory_after_there_was_not_enough(pristine, monkeypatch):
    made, most = learner("ewc-dc", pristine, CAT, CAR), 2
    (ewc,) = made.consolidations
    sizes = short_of(made, most, monkeypatch)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    step, known = drawn(made, CAR, 1), [CAR.subject, CAT.subject, DOG.subject]
    found = _Passes(made, CAR, ewc.losses, Room(made.backbone, 3)).alone((step, known))
    assert found.gradients[0].norm() > 0 and max(sizes[-4:]) <= most
    short_of(made, 0, monkeypatch)
    with pytest.raises(torch.OutOfMemoryError):
        _Passes(made, CAR, ewc.losses, Room(made.backbone, 3)).alone((step, known))


def test_a_model_of_noise_whose_schedule_ends_without_signal_is_refused(tmp_path):
    from pipelines import sd

    from cpbench.benchmark.errors import BadInput

    _, folder = written(tmp_path / "zero", lambda: sd(rescale_betas_zero_snr=True))
    with pytest.raises(BadInput, match="ends in noise alone"):
        load_backbone(folder, Sampling(**TINY["sampling"]), engine=Engine())
