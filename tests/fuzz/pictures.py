"""Mutated pictures, each in a folder beside two sound ones, read as the pictures of a concept."""

import io
import json
import shutil
import warnings

from fuzz.sandbox import LONGEST, attempt, fault_of
from fuzz.specs import TINY, plan
from PIL import Image, ImageDraw

from cpbench.benchmark.errors import CpbenchError
from cpbench.benchmark.suite.concepts import check_suite, reference_pictures
from cpbench.benchmark.suite.spec import load_suite

WAYS = (
    ("PNG", ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"), {}),
    ("PNG", ("RGB",), {"pnginfo": None, "optimize": True}),
    ("JPEG", ("L", "RGB", "CMYK"), {}),
    ("JPEG", ("RGB",), {"progressive": True, "quality": 30}),
    ("WEBP", ("RGB", "RGBA"), {}),
    ("WEBP", ("RGB",), {"lossless": True}),
    ("GIF", ("P", "L"), {}),
    ("BMP", ("1", "L", "P", "RGB"), {}),
    ("TIFF", ("1", "L", "P", "RGB", "RGBA", "CMYK", "I;16", "F", "LAB", "YCbCr"), {}),
    ("TIFF", ("L", "RGB"), {"compression": "tiff_lzw"}),
    ("TIFF", ("L", "RGB"), {"compression": "tiff_adobe_deflate"}),
    ("TIFF", ("RGB",), {"compression": "jpeg"}),
    ("TIFF", ("1",), {"compression": "group4"}),
    ("AVIF", ("RGB",), {}),
    ("JPEG2000", ("RGB",), {}),
    ("MPO", ("RGB",), {}),
    ("ICO", ("RGBA",), {}),
    ("ICNS", ("RGBA",), {}),
    ("PPM", ("RGB", "L"), {}),
    ("TGA", ("RGB",), {}),
    ("PCX", ("RGB",), {}),
    ("DDS", ("RGB",), {}),
    ("EPS", ("RGB",), {}),
    ("PDF", ("RGB",), {}),
    ("QOI", ("RGB",), {}),
    ("SGI", ("RGB",), {}),
    ("XBM", ("1",), {}),
    ("IM", ("RGB",), {}),
    ("MSP", ("1",), {}),
)
COMMON = 13  # the first ways are taken more often
SUFFIXES = (
    *("png", "jpg", "jpeg", "webp", "gif", "bmp", "tif", "tiff") * 4,
    *("PNG", "JPG", "Jpeg", "avif", "heic", "jxl", "jfif", "jpe", "mpo", "jp2", "ico", "", "txt", "jpg_large", "svg"),
)
NAMES = ("x", "x y", "[red]", "x.jpg?w=512", "é", "x\ny", "x" * 240, "\u202ex", "-x", "x..y", "Thumbs", "desktop")
NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, 50_000)


def prepare(sandbox):
    """The pictures that are mutated, as bytes."""
    sandbox.sources = [found for way in WAYS for found in encoded(*way)]
    sandbox.common = [found for way in WAYS[:COMMON] for found in encoded(*way)]
    sandbox.sound = [content for content, _ in (next(encoded("PNG", ("RGB",), {}, seed)) for seed in (1, 2))]
    plan(folder(sandbox, "warm", "x.png", sandbox.sound[0]), sandbox, 0)


def encoded(kind, modes, options, seed=0):
    """A small picture in a format and some modes, with its usual suffix; nothing for what Pillow cannot write."""
    for mode in modes:
        for side in ((40, 30), (1, 1), (64, 64))[: 1 if seed else 3]:
            picture = Image.new("RGB", side, (200, 30 * seed, 60))
            ImageDraw.Draw(picture).ellipse((2, 2, 25, 20 + seed), fill=(10, 90, 220))
            file = io.BytesIO()
            try:
                with warnings.catch_warnings(action="ignore"):
                    plain = picture.convert("L") if mode in ("I;16", "F", "1") else picture
                    plain.convert(mode).save(file, kind, **options)
            except (OSError, ValueError, KeyError, SystemError):
                continue
            yield file.getvalue(), kind.lower()


def folder(sandbox, name, picture, content):
    """A suite in a new folder of inputs, with one concept of three pictures."""
    where = sandbox.input / name
    (where / "rex").mkdir(parents=True)
    for k, sound in enumerate(sandbox.sound):
        (where / "rex" / f"sound-{k}.png").write_bytes(sound)
    (where / "rex" / picture).write_bytes(content)
    concepts = [{"name": "rex", "noun": "dog", "folder": "rex"}]
    prompts = {key: TINY["prompts"][key] for key in ("train", "evaluation")}
    sampling = TINY["sampling"] | {"size": 64}
    path = where / "suite.yaml"
    path.write_text(json.dumps(TINY | {"concepts": concepts, "prompts": prompts, "sampling": sampling}))
    return path


def example(rng, sandbox, index):
    """One example: its label, its fault or None, and a description."""
    shutil.rmtree(sandbox.input, ignore_errors=True)
    content, kind = rng.choice(sandbox.sources if rng.random() < 0.25 else sandbox.common)
    changed = content if rng.random() < 0.08 else mutated(content, rng, sandbox.common)
    suffix = kind if rng.random() < 0.6 else rng.choice(SUFFIXES)
    name = "x" if rng.random() < 0.8 else rng.choice(NAMES)
    name = f"{name}.{suffix}" if suffix else name
    path = folder(sandbox, str(index), name, changed)
    before, kept = sandbox.state(), []
    outcome = attempt(lambda: kept.append(read(path)), CpbenchError)
    fault = outcome.raised or (wrong(kept[0], name, path, sandbox) if kept else not_a_sentence(outcome.err, name))
    if not fault and (altered := sandbox.changes(before)):
        fault = f"changed on disk: {altered[:3]}"
    if not fault and outcome.out:
        fault = f"prints {outcome.out[:100]!r}"
    if not kept and not fault and changed == content and kind in ("png", "jpeg", "webp", "bmp") and len(content) > 120:
        fault = f"a sound {kind} is refused as {name!r}: {outcome.err[:300]}" if name.startswith("x.") else None
    return "right" if kept else "refused", fault, f"{name!r} {kind} {len(changed)} bytes\n{outcome}\n{fault}"


def read(path):
    """All pictures of the concept, after the checks that come before a run."""
    suite = load_suite(str(path))
    check_suite(suite)
    return reference_pictures(suite, suite.concepts[0])


def wrong(pictures, name, path, sandbox):
    """What is wrong with pictures that were read: each file is among them, is one of the system, or is named."""
    if pictures.dtype != "uint8" or pictures.shape[1:] != (64, 64, 3):
        return f"shape {pictures.shape}, type {pictures.dtype}"
    if len(pictures) == 3 or name.startswith((".", "Thumbs", "desktop")):
        return None
    outcome = plan(path, sandbox)
    named = "passed over" in outcome.err and (name in outcome.err or not name.isprintable() or len(name) > 60)
    return fault_of(outcome) or (None if named else f"passed over silently: {name.rpartition('.')[2]!r}: {outcome.err}")


def not_a_sentence(text, name):
    """What is wrong with a refusal of a picture."""
    if not 20 < len(text) < LONGEST:
        return f"a sentence of {len(text)} characters: {text[:200]!r}"
    plain = name.isprintable() and len(name) < 60
    return f"a refusal that does not name the file: {text[:300]!r}" if plain and name not in text else None


def mutated(content, rng, others):
    """Bytes with flips, cuts, zeros, repeats, hostile numbers, or a part of another picture."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5))):
        near = rng.random() < 0.5  # headers decide more than pixels
        at = rng.randrange(min(len(data), 120) if near else len(data)) if data else 0
        to = at + rng.choice((1, 2, 4, 16, 100))
        what = rng.randrange(8)
        if what < 2 and data:
            data[at] ^= 1 << rng.randrange(8)
        elif what == 2:
            data[at:to] = rng.choice(NUMBERS).to_bytes(4, rng.choice(("big", "little")))[: to - at]
        elif what == 3:
            del data[at:to]
        elif what == 4:
            data[at:at] = data[at:to]
        elif what == 5:
            data[at:to] = bytes(len(data[at:to]))
        elif what == 6:
            other = rng.choice(others)[0]
            start = rng.randrange(len(other))
            data[at:to] = other[start : start + to - at] if rng.random() < 0.7 else other[start:]
        else:
            del data[at if rng.random() < 0.4 else len(data) :]
    return bytes(data)
