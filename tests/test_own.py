"""From a folder of photographs to a suite, a sheet and a leaderboard."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

import cpbench
from conftest import status_of
from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.suite.concepts import check_suite, held_out_pictures, reference_pictures, training_pictures
from cpbench.benchmark.suite.folders import learned_files
from cpbench.benchmark.suite.nouns import noun_in
from cpbench.benchmark.toybox.world import portraits, unusual_individual

THINGS = {"my cat": ("cat", 31), "Blue_mug": ("cup", 32), "rumble": ("car", 33)}


def phone(noun, seed, n=10, size=(640, 480)):
    """Pictures of one thing as a phone would keep them: large, wide, and each another one."""
    drawn = portraits([unusual_individual(noun, seed)], n, seed)
    wide = [Image.fromarray(p).resize((size[1], size[1]), Image.Resampling.BICUBIC) for p in drawn]
    found = []
    for k, square in enumerate(wide):
        picture = Image.new("RGB", size, tuple(np.random.default_rng([seed, k]).integers(60, 200, 3).tolist()))
        picture.paste(square, ((size[0] - size[1]) // 2, 0))
        found.append(picture)
    return found


def written(folder, pictures):
    """One concept's pictures in many forms: turned by EXIF, CMYK, upright, a copy saved again, a blurred one."""
    folder.mkdir(parents=True)
    for k, picture in enumerate(pictures):
        picture.save(folder / f"IMG_{k:04d}.jpg", quality=92)
    turned = Image.Exif()
    turned[0x0112] = 6
    pictures[0].rotate(90, expand=True).save(folder / "IMG_0000.jpg", quality=92, exif=turned)
    pictures[1].convert("CMYK").save(folder / "IMG_0001.jpg", quality=92)
    pictures[2].crop((140, 0, 500, 480)).save(folder / "IMG_0002.jpg")
    pictures[3].save(folder / "IMG_0003.png")
    (folder / "IMG_0003.jpg").unlink()
    pictures[4].filter(ImageFilter.GaussianBlur(14)).save(folder / "IMG_0004.jpg")
    pictures[5].resize((320, 240)).save(folder / "IMG_0009.jpg", quality=60)  # again picture 5
    if importlib.util.find_spec("pillow_heif"):
        import pillow_heif

        pillow_heif.register_heif_opener()
        pictures[6].save(folder / "IMG_0006.heic")
        (folder / "IMG_0006.jpg").unlink()


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Thirty pictures of three things."""
    folder = tmp_path_factory.mktemp("own") / "my_things"
    for name, (noun, seed) in THINGS.items():
        written(folder / name, phone(noun, seed))
    (folder / "my cat" / ".DS_Store").write_bytes(b"x")
    return folder


NOUNS = {"my-cat": "cat", "blue-mug": "cup", "rumble": "car"}


def test_a_folder_becomes_a_suite_whose_held_out_pictures_are_never_learned(photographs):
    suite = cpbench.folder_suite(photographs, {"rumble": "car"})
    assert [(c.name, c.noun) for c in suite.concepts] == [("blue-mug", "mug"), ("my-cat", "cat"), ("rumble", "car")]
    assert (suite.name, suite.backbone, suite.evaluation.profile) == ("my_things", "toybox", "offline")
    remarks = []
    check_suite(suite, remarks.append)
    for c in suite.concepts:
        learned = {f.name for f in learned_files(suite, c)}
        assert len(c.held_out) == 2 and not learned & set(c.held_out) and len(learned) == 8
        assert {"IMG_0005.jpg", "IMG_0009.jpg"} <= learned, "two of the same are on one side"
        assert len(training_pictures(suite, c)) == 8 and len(reference_pictures(suite, c)) == 2
        assert np.array_equal(held_out_pictures(suite, (c,)), training_pictures(suite, c)), "the ceiling: no third set"
        assert any("nearly the same" in r and c.name in r and "IMG_0009.jpg" in r for r in remarks)
        assert any("less sharp" in r and c.name in r and "IMG_0004.jpg" in r for r in remarks), remarks
    assert len(remarks) == 6, remarks


def test_a_turned_picture_is_upright_and_cmyk_has_its_colours(photographs):
    suite = cpbench.folder_suite(photographs, NOUNS)
    (cat,) = (c for c in suite.concepts if c.name == "my-cat")
    plain = [
        np.asarray(p.crop((80, 0, 560, 480)).resize((64, 64), Image.Resampling.BICUBIC)) for p in phone("cat", 31, 2)
    ]
    for own, expected in zip(training_pictures(suite, cat)[:2], plain, strict=True):
        assert np.abs(own.astype(int) - expected).mean() < 12


def test_of_few_pictures_none_is_held_out(tmp_path):
    for name in ("cat", "dog"):
        folder = tmp_path / "few" / name
        folder.mkdir(parents=True)
        for k, picture in enumerate(phone("cat" if name == "cat" else "dog", 5, 4)):
            picture.save(folder / f"{k}.png")
    suite = cpbench.folder_suite(tmp_path / "few")
    assert [c.name for c in suite.concepts] == ["my-cat", "my-dog"], "a token is no ordinary word"
    assert suite.evaluation.compare == "all" and not any(c.held_out for c in suite.concepts)
    assert suite.training.pictures == 4
    check_suite(suite)


def test_captions_beside_all_pictures_are_used(tmp_path):
    folder = tmp_path / "one" / "cat"
    folder.mkdir(parents=True)
    for k, picture in enumerate(phone("cat", 5, 3)):
        picture.save(folder / f"{k}.png")
        (folder / f"{k}.txt").write_text(f"a photo of {{}} number {k}")
    assert cpbench.folder_suite(tmp_path / "one").training.captions
    (folder / "2.txt").write_text("a photo without a place")
    assert not cpbench.folder_suite(tmp_path / "one").training.captions


@pytest.mark.parametrize(
    ("name", "noun"),
    [
        ("my cat", "cat"), ("cat_2", "cat"), ("MyMug", "mug"), ("cat photos", "cat"), ("teddy-bear", "teddy bear"),
        ("colorful_teapot", "teapot"), ("rumble", None), ("IMG", None), ("cat and dog pictures", None), ("", None),
    ],
)  # fmt: skip
def test_a_noun_is_what_a_name_ends_with_or_its_only_one(name, noun):
    assert noun_in(name) == noun


def test_the_noun_may_be_in_a_file_of_the_folder(tmp_path):
    folder = tmp_path / "own" / "rumble"
    folder.mkdir(parents=True)
    for k, picture in enumerate(phone("car", 5, 2)):
        picture.save(folder / f"{k}.png")
    (folder / "concept.yaml").write_text("noun: tractor\n")
    suite, remarks = cpbench.folder_suite(tmp_path / "own"), []
    assert suite.concepts[0].noun == "tractor"
    check_suite(suite, remarks.append)
    assert remarks == []


def small(folder, n=2, seed=1):
    folder.mkdir(parents=True, exist_ok=True)
    for k, picture in enumerate(phone("cat", seed, n)):
        picture.resize((64, 48)).save(folder / f"{k}.png")


BAD = {
    "no such folder": (lambda top: None, "No such file"),
    "a file": (lambda top: top.write_text("x"), "is a file"),
    "empty": (lambda top: top.mkdir(), "no folder in it has pictures"),
    "loose pictures": (lambda top: small(top), "its 2 pictures are in no folder"),
    "folders without pictures": (lambda top: (top / "cat").mkdir(parents=True), "no folder in it has pictures"),
    "one picture": (lambda top: small(top / "cat", 1), "has 1 picture"),
    "no noun": (lambda top: small(top / "rumble"), "what is 'rumble'"),
    "two of one name": (lambda top: (small(top / "my cat"), small(top / "My-Cat")), "would both be the concept"),
    "no letter": (lambda top: small(top / "123"), "begins with a letter"),
    "damaged": (lambda top: (small(top / "cat"), (top / "cat" / "9.jpg").write_bytes(b"\xff\xd8\xff")), "9.jpg"),
    "pictures deeper": (lambda top: (small(top / "cat"), small(top / "cat" / "more")), "inside the folder of"),
    "a bad card": (lambda top: (small(top / "cat"), (top / "cat" / "concept.yaml").write_text("cat")), "noun: cat"),
    "the same folder": (lambda top: (small(top / "cat"), (top / "dog").symlink_to("cat")), "the same folder"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_folder_that_cannot_be_used_is_refused_with_a_sentence(kind, tmp_path, capfd):
    make, words = BAD[kind]
    make(tmp_path / "own")
    arguments = [
        "run",
        "--methods",
        "lora",
        "--data",
        str(tmp_path / "own"),
        "--out",
        str(tmp_path / "out"),
        "--dry-run",
    ]
    assert status_of(*arguments) == 2
    error = capfd.readouterr().err
    assert words in error and "Traceback" not in error, error


@pytest.mark.parametrize(
    ("nouns", "words"),
    [("cat,dog", "2 nouns for 1 concepts"), ("dog=cat", "no concept is named 'dog'"), ("rumble=c<a>t", "character")],
)
def test_nouns_that_do_not_fit_are_refused(nouns, words, tmp_path):
    small(tmp_path / "own" / "rumble")
    with pytest.raises(BadInput, match=words):
        cpbench.folder_suite(tmp_path / "own", nouns)


@pytest.mark.slow
def test_thirty_photographs_become_a_leaderboard_in_one_command(photographs, tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("CPBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert status_of("run", "--methods", "lora", "--data", str(photographs), "--nouns", "cup,cat,car") == 0
    shown = capfd.readouterr()
    assert "contact-sheet.png" in shown.out and "lora" in shown.out
    with Image.open(tmp_path / "runs" / "my_things" / "contact-sheet.png") as sheet:
        assert sheet.width > 500 and sheet.height > 500
    assert len(list(Path("runs/my_things/lora").glob("*.json"))) == 1
