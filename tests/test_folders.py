"""Folders of concepts: what is a picture is decided by content, and nothing is passed over silently."""

import io
import os
import sys

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from conftest import status_of, write_suite
from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.suite.concepts import check_suite, reference_pictures, training_pictures
from cpbench.benchmark.suite.formats import BUILT_IN, by_content, readable
from cpbench.benchmark.suite.spec import load_suite
from cpbench.benchmark.verbs.doctor import checks

READ = {"JPEG": {}, "MPO": {}, "PNG": {}, "WEBP": {"lossless": True}, "BMP": {}, "GIF": {}, "TIFF": {}, "AVIF": {}}
READ |= {"JPEG2000": {}, "PPM": {}, "QOI": {}}
FTYP = b"\0\0\0\x18ftyp%b\0\0\0\0mif1%b" + bytes(100)
HEIC, VIDEO = FTYP % (b"heic", b"heic"), FTYP.replace(b"mif1", b"isom") % (b"qt  ", b"mp42")
JXL = b"\xff\x0a" + bytes(100)
UNREAD = {
    "PSD": b"8BPS\0\1",
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n",
    "SVG": b'<?xml version="1.0"?>\n<!-- a cat -->\n<svg xmlns="http://www.w3.org/2000/svg"/>',
    "EXR": b"v/1\1\2\0\0\0",
    "DDS": b"DDS |\0\0\0",
    "camera raw": b"II*\0\x10\0\0\0CR\2\0",
    "DICOM": bytes(128) + b"DICM",
}
NOT_PICTURES = {
    "a.txt": b"a photo of my cat",
    "b.txt": b"BMW on a street, behind it a cat",
    "c.txt": b"P3 is a printer",
    "d.txt": b"II is roman for two",
    "cat.jpg.json": b'{"title": "cat.jpg"}',
    "metadata.jsonl": b'{"file_name": "0.png"}\n',
    "page.html": b"<!DOCTYPE html><html><body><svg></svg></body></html>",
    "notes.md": b"# Cats",
    "IMG_1.mov": VIDEO,
    "clip.mp4": VIDEO,
    "all.zip": b"PK\3\4" + bytes(100),
    "paper.pdf": b"%PDF-1.7\n",
    "empty": b"",
}
SYSTEM = ["Thumbs.db", "thumbs.DB", ".DS_Store", "desktop.ini", "._0.png", ".hidden.jpg", "Icon\r"]


def picture(seed=0, side=64, form="PNG", **options):
    """A file of a smooth coloured picture, another one for each seed."""
    out, chance = io.BytesIO(), np.random.default_rng(seed)
    small = Image.fromarray(chance.integers(0, 256, (6, 6, 3), np.uint8))
    small.resize((side, side), Image.Resampling.BICUBIC).save(out, form, **options)
    return out.getvalue()


def suite_of(where, **folders):
    """A suite with a concept per folder, which holds the given files."""
    for name, files in folders.items():
        (where / name).mkdir(exist_ok=True)
        for file, content in files.items():
            (where / name / file).write_bytes(content)
    concepts = [{"name": name, "noun": "dog", "folder": name} for name in folders]
    return load_suite(str(write_suite(where, concepts=concepts)))


def remarks(suite):
    found = []
    check_suite(suite, found.append)
    return found


TWO = {"0.png": picture(0), "1.png": picture(1)}


@pytest.mark.parametrize("form", READ)
@pytest.mark.parametrize("name", ["2", "2.jfif", "2.JPE", "2.mpo", "2.jpg?w=512", "2.dat", "2.png", "2.AVIF", "2.heic"])
def test_a_picture_is_read_whatever_its_name(tmp_path, form, name):
    suite = suite_of(tmp_path, rex=TWO | {name: picture(2, form=form, **READ[form])})
    assert remarks(suite) == []
    shown = reference_pictures(suite, suite.concepts[0])[2].astype(float)
    assert np.abs(shown - np.asarray(Image.open(io.BytesIO(picture(2)))))[8:-8, 8:-8].mean() < 12


NAMES = st.binary(min_size=1, max_size=40).filter(lambda name: not {0, ord("/")} & {*name} and name[:1] != b".")


@settings(max_examples=50)
@given(name=NAMES)
@example(name=b"\xff\xfe.heic")
@example(name=b"a\n.txt")
def test_a_file_with_any_name_that_holds_a_picture_is_read(tmp_path_factory, name):
    folder = tmp_path_factory.mktemp("named")
    suite = suite_of(folder, rex={"0.png": picture(0)})
    (folder / "rex" / os.fsdecode(name)).write_bytes(picture(1))
    assert len(reference_pictures(suite, suite.concepts[0])) == (1 if name == b"0.png" else 2)


SUFFIX = st.sampled_from(["", ".png", ".heic", ".jxl", ".txt", ".psd", ".nef", ".svg", ".json", ".jp2", ".jpg?w=512"])
STARTS = [HEIC, JXL, VIDEO, picture(), *UNREAD.values(), *(picture(3, form=form) for form in READ)]


@settings(max_examples=60)
@given(start=st.sampled_from([b"", *STARTS]), cut=st.integers(0, 3000), rest=st.binary(max_size=200), suffix=SUFFIX)
def test_any_bytes_are_read_or_refused_in_one_sentence_or_named(tmp_path_factory, start, cut, rest, suffix):
    folder = tmp_path_factory.mktemp("bytes")
    suite = suite_of(folder, rex=TWO | {f"x{suffix}": start[:cut] + rest})
    try:
        named = remarks(suite)
    except BadInput as error:
        sentence = str(error)
        assert sentence.startswith(f"{folder / 'rex' / 'x'}{suffix}: ") and sentence.isprintable()
        assert sentence.endswith(("remove it.", "PNG or JPEG."))
        return
    assert len(reference_pictures(suite, suite.concepts[0])) == 3 or f"x{suffix}" in named[0]


@pytest.mark.parametrize(
    ("module", "package", "content"), [("pillow_heif", "pillow-heif", HEIC), ("pillow_jxl", "pillow-jxl-plugin", JXL)]
)
@pytest.mark.parametrize("name", ["a.heic", "a", "a.jpg"])
def test_a_picture_that_needs_a_package_is_refused_with_its_name(tmp_path, monkeypatch, module, package, content, name):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(BadInput) as refused:
        check_suite(suite_of(tmp_path, rex=TWO | {name: content}))
    assert str(refused.value).startswith(f"{tmp_path / 'rex' / name}: a picture in the format ")
    assert f"{package}, which reads it, is not installed; run 'pip install -U {package}'" in str(refused.value)


@pytest.mark.parametrize("form", UNREAD)
@pytest.mark.parametrize("name", ["a", "a.png"])
def test_a_picture_in_a_format_that_is_not_read_is_refused_with_the_format(tmp_path, form, name):
    with pytest.raises(BadInput, match=rf"{name}: a picture in the format {form}, which is not read; save it as PNG"):
        check_suite(suite_of(tmp_path, rex=TWO | {name: UNREAD[form]}))


def test_a_raw_photograph_is_refused_although_it_is_a_tiff_with_a_preview(tmp_path):
    with pytest.raises(BadInput, match=r"a\.NEF: a picture in the format camera raw"):
        check_suite(suite_of(tmp_path, rex=TWO | {"a.NEF": picture(2, form="TIFF")}))


@pytest.mark.parametrize("name", ["a.heic", "a.jxl", "a.avif", "a.jfif", "a.jpg?w=512"])
def test_an_empty_file_named_as_a_picture_is_refused(tmp_path, name):
    with pytest.raises(BadInput, match="not a readable picture"):
        check_suite(suite_of(tmp_path, rex=TWO | {name: b""}))


def test_nothing_is_handed_to_ghostscript():
    assert not {"EPS", "PDF", "WMF", "FPX", "MIC"} & {*BUILT_IN}


@pytest.mark.parametrize("name", NOT_PICTURES)
def test_what_is_no_picture_is_passed_over_with_a_remark(tmp_path, name):
    assert by_content(NOT_PICTURES[name]) is None
    suite = suite_of(tmp_path, rex=TWO | {name: NOT_PICTURES[name]})
    (remark,) = remarks(suite)
    assert remark == f"concept 'rex': passed over 1 entry that is not a picture: {name}."
    assert len(training_pictures(suite, suite.concepts[0])) == 2


def test_of_many_files_that_are_passed_over_the_first_are_named(tmp_path):
    captions = {f"{k}.txt": b"a cat" for k in range(100)}
    (remark,) = remarks(suite_of(tmp_path, rex=TWO | captions))
    assert remark.endswith("passed over 100 entries that are not pictures: 0.txt, 1.txt, 10.txt and 97 more.")


@pytest.mark.parametrize("name", SYSTEM)
def test_files_of_the_system_are_passed_over_without_a_word(tmp_path, name):
    assert remarks(suite_of(tmp_path, rex=TWO | {name: picture(2)})) == []


@pytest.mark.parametrize("name", ["@eaDir", "__MACOSX", ".thumbnails"])
def test_folders_of_the_system_are_passed_over_without_a_word(tmp_path, name):
    suite = suite_of(tmp_path, rex=TWO)
    (tmp_path / "rex" / name).mkdir()
    (tmp_path / "rex" / name / "0.png").write_bytes(picture(2))
    assert remarks(suite) == []


@pytest.mark.parametrize("inner", ["more", "more/and/more"])
def test_a_folder_with_pictures_inside_a_folder_is_refused(tmp_path, inner):
    suite = suite_of(tmp_path, rex=TWO)
    (tmp_path / "rex" / inner).mkdir(parents=True)
    (tmp_path / "rex" / inner / "x").write_bytes(picture(2))
    with pytest.raises(BadInput, match=r"rex/more: a folder with pictures .* concept 'rex'; move its pictures up"):
        check_suite(suite)


def test_a_folder_without_pictures_inside_a_folder_is_passed_over_with_a_remark(tmp_path):
    suite = suite_of(tmp_path, rex=TWO)
    (tmp_path / "rex" / "captions").mkdir()
    (tmp_path / "rex" / "captions" / "0.txt").write_text("a cat")
    assert remarks(suite) == ["concept 'rex': passed over 1 entry that is not a picture: captions."]


def test_the_folder_of_a_concept_may_lie_in_that_of_another_or_beside_results(tmp_path):
    suite_of(tmp_path, rex=TWO)
    for name, first in {"rex/pup": 2, "runs": 4}.items():
        (tmp_path / name).mkdir()
        for k in range(first, first + 2):
            (tmp_path / name / f"{k}.png").write_bytes(picture(k))
    concepts = [{"name": n, "noun": "dog", "folder": f} for n, f in {"rex": "rex", "pup": "rex/pup"}.items()]
    assert remarks(load_suite(str(write_suite(tmp_path, concepts=concepts)))) == []
    (tmp_path / "a.png").write_bytes(picture(6))
    (tmp_path / "b.png").write_bytes(picture(7))
    suite = load_suite(str(write_suite(tmp_path, concepts=[{"name": "rex", "noun": "dog", "folder": "."}])))
    assert remarks(suite) == ["concept 'rex': passed over 3 entries that are not pictures: rex, runs, tiny.yaml."]
    assert len(reference_pictures(suite, suite.concepts[0])) == 2


@pytest.mark.timeout(60)
def test_pipes_and_broken_links_that_are_not_named_as_pictures_are_passed_over_with_a_remark(tmp_path):
    suite = suite_of(tmp_path, rex=TWO)
    os.mkfifo(tmp_path / "rex" / "pipe")
    (tmp_path / "rex" / "link").symlink_to("nowhere")
    assert remarks(suite) == ["concept 'rex': passed over 2 entries that are not pictures: link, pipe."]


def test_a_folder_that_holds_no_picture_is_refused_with_what_it_holds(tmp_path):
    with pytest.raises(BadInput, match=r"contains no pictures, only a\.txt, b\.zip; add some, such as \.png"):
        check_suite(suite_of(tmp_path, rex={"a.txt": b"a cat", "b.zip": b"PK\3\4"}))


# The same picture twice.

TWINS = {
    "the same picture": picture(0),
    "nearly the same picture": picture(0, side=300, form="JPEG", quality=40),
    "nearly the same picture ": picture(0, side=200, form="WEBP"),
    "the same mirrored picture": (lambda out, image: (image.save(out, "PNG"), out.getvalue())[1])(
        io.BytesIO(), Image.open(io.BytesIO(picture(0))).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    ),
}


@pytest.mark.parametrize("how", TWINS)
def test_a_picture_that_is_there_twice_is_named_and_counts(tmp_path, how):
    suite = suite_of(tmp_path, rex=TWO | {"2": TWINS[how]})
    (remark,) = remarks(suite)
    assert remark.startswith(f"concept 'rex': {how.strip()} is there twice (0.png and 2); both count.")
    assert len(reference_pictures(suite, suite.concepts[0])) == 3


@pytest.mark.parametrize("compare", ["all", "unseen"])
def test_a_learned_picture_that_is_there_again_among_the_new_ones_is_told_of(tmp_path, compare):
    """Such a copy would reward a method for learning photographs by heart."""
    many = {f"{k}.png": picture(k) for k in range(5)} | {"9.png": picture(0)}
    suite = suite_of(tmp_path, rex=many)
    suite = suite.model_copy(
        update={
            "training": suite.training.model_copy(update={"pictures": 3}),
            "evaluation": suite.evaluation.model_copy(update={"compare": compare}),
        }
    )
    (remark,) = remarks(suite)
    assert ("one is learned, and drawn pictures are compared with the other" in remark) == (compare == "unseen")


def test_a_picture_in_the_folders_of_two_concepts_is_named(tmp_path):
    (remark,) = remarks(suite_of(tmp_path, rex=TWO, pup={"a.png": picture(2), "b": picture(1)}))
    assert remark.startswith("concepts 'rex' and 'pup': the same picture is there twice (1.png and b); both count.")


@settings(max_examples=20)
@given(seeds=st.lists(st.integers(0, 10**6), min_size=2, max_size=8, unique=True))
def test_different_pictures_are_not_called_the_same(tmp_path_factory, seeds):
    files = {f"{k}.png": picture(seed) for k, seed in enumerate(seeds)}
    assert remarks(suite_of(tmp_path_factory.mktemp("different"), rex=files)) == []


@pytest.mark.parametrize("size", [8, 17, 64, 100])
def test_twins_are_found_at_any_size(tmp_path, size):
    suite = suite_of(tmp_path, rex=TWO | {"2.jpg": picture(0, form="JPEG")})
    sampling = suite.sampling.model_copy(update={"size": size})
    assert len(remarks(suite.model_copy(update={"sampling": sampling}))) == 1


# On the screen.


@pytest.mark.parametrize("quiet", [[], ["--quiet"]])
def test_a_run_prints_each_remark_once_on_stderr(tmp_path, capsys, quiet):
    suite_of(tmp_path, rex=TWO | {"2.png": picture(0), "2.txt": b"a cat"})
    command = ["run", "--methods", "base", "--suite", tmp_path / "tiny.yaml", "--out", tmp_path / "out", *quiet]
    assert status_of(*command) == 0
    out, err = capsys.readouterr()
    assert "passed over" not in out and "there twice" not in out
    assert [line.partition(": ")[0] for line in err.splitlines() if "concept 'rex'" in line] == ["cpbench"] * 2
    assert (
        err.count("not a picture: 2.txt.") == 1 and err.count("the same picture is there twice (0.png and 2.png)") == 1
    )


def test_a_run_with_a_picture_that_cannot_be_read_ends_with_status_2_before_anything_is_written(tmp_path, capsys):
    suite_of(tmp_path, rex=TWO | {"2.psd": UNREAD["PSD"]})
    command = ["run", "--methods", "base", "--suite", tmp_path / "tiny.yaml", "--out", tmp_path / "out"]
    assert status_of(*command) == 2
    assert "2.psd: a picture in the format PSD, which is not read" in capsys.readouterr().err
    assert not list((tmp_path / "out").rglob("*.json"))


def test_the_doctor_lists_the_formats_of_pictures():
    (row,) = (row for row in checks() if row.what == "pictures")
    assert row.good and all(name in row.found for name in readable())
