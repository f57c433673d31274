"""Pictures of users: each file is read right, or refused in one sentence that names it.

What is expected is never decoded: it is the array that a file was made of.
"""

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageSequence

from conftest import write_suite
from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.suite.colours import jxl_pixels
from cpbench.benchmark.suite.concepts import reference_pictures
from cpbench.benchmark.suite.images import LARGEST, read_picture
from cpbench.benchmark.suite.spec import load_suite

SIDE = 64
FORMS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")
WHITE = np.array([0.9642, 1.0, 0.8249])  # of the space in which profiles meet: D50
PRIMARIES = np.array([[0.4360, 0.2225, 0.0139], [0.3851, 0.7169, 0.0971], [0.1431, 0.0606, 0.7139]])  # of sRGB in it
ORIENTED = {  # what EXIF says to do with the stored rows, in the words of its standard
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: stored.swapaxes(0, 1)[:, ::-1],
    7: lambda stored: stored[::-1, ::-1].swapaxes(0, 1),
    8: lambda stored: stored.swapaxes(0, 1)[::-1],
}


def scene(width=SIDE, height=SIDE):
    """Red grows to the right, green downwards, blue to the upper left: no two orientations look alike."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    return np.rint(np.stack([x, y, 1 - (x + y) / 2], -1) * 255).astype(np.uint8)


def ramp(top=255):
    """One channel that grows to the right and, three times as much, downwards."""
    y, x = np.mgrid[0 : 1 : SIDE * 1j, 0 : 1 : SIDE * 1j]
    return np.rint((x + 3 * y) / 4 * top)


def grey(values):
    return np.repeat(np.rint(np.asarray(values, float))[..., None], 3, -1)


def on_white(colours, alpha):
    share = np.asarray(alpha, float)[..., None] / 255
    return np.rint(colours * share + 255 * (1 - share))


def saved(pixels, form, **options):
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.ascontiguousarray(pixels))
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def jpeg(pixels=None, **options):
    return saved(scene() if pixels is None else pixels, "JPEG", **({"quality": 97, "subsampling": 0} | options))


def indexed(indices, colours):
    image = Image.fromarray(indices.astype(np.uint8)).copy()
    image.putpalette(colours.astype(np.uint8).tobytes())
    return image


def palette(n=256):
    """Colours that are no function of their brightness."""
    k = np.arange(n)
    return np.stack([k * 37 % 256, k * 91 % 256, 255 - k * 53 % 256], -1).astype(np.uint8)


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(rows, width, height, depth, colour, *extra, interlaced=False):
    """A PNG of rows of bytes, unfiltered; extra chunks come before the pixels."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))
    body = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + bytes(row) for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(extra) + body + chunk(b"IEND", b"")


def wide_rows(values):
    return [row.astype(">u2").tobytes() for row in values]


def tiff(pixels, bits, photometric, order="<", **more):
    """A TIFF of one uncompressed strip; ``more`` are further tags, `t339=2`."""
    at = 8 + 2 + 12 * (9 + len(more)) + 4
    long = {256: SIDE, 257: SIDE, 273: at + 16, 278: SIDE, 279: len(pixels)}
    short = {258: bits, 259: (1,), 262: (photometric,), 277: (len(bits),)} | {int(k[1:]): (v,) for k, v in more.items()}
    entries, rest = [], b""
    for tag in sorted(long | short):
        kind, values = ("I", (long[tag],)) if tag in long else ("H", short[tag])
        packed = struct.pack(f"{order}{len(values)}{kind}", *values)
        if len(packed) > 4:
            packed, rest = struct.pack(f"{order}I", at + len(rest)), rest + packed
        entries.append(struct.pack(f"{order}HHI", tag, 4 if kind == "I" else 3, len(values)) + packed.ljust(4, b"\0"))
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
    return head + struct.pack(f"{order}H", len(entries)) + b"".join(entries) + bytes(4) + rest.ljust(16, b"\0") + pixels


def bmp(pixels, bits, height, masks=()):
    """A BMP of rows as they are stored: from the bottom, or from the top for a negative height."""
    info = struct.pack("<IiiHHIIiiII", 124 if masks else 40, SIDE, height, 1, bits, 3 if masks else 0, 0, 0, 0, 0, 0)
    if masks:
        info = (info + struct.pack("<4I", *masks) + b"BGRs").ljust(124, b"\0")
    start = 14 + len(info)
    return b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + info + pixels


def gif(indices, colours, screen, corner, transparent=None):
    """A GIF of one frame on a screen, its codes never longer than nine bits, so that it needs no dictionary."""
    height, width = indices.shape
    codes = []
    for k, value in enumerate(indices.ravel()):
        codes += [256, int(value)] if k % 200 == 0 else [int(value)]
    packed = 0
    for k, code in enumerate([*codes, 257]):
        packed |= code << 9 * k
    stream = packed.to_bytes((9 * (len(codes) + 1) + 7) // 8, "little")
    blocks = b"".join(bytes([len(part := stream[k : k + 255])]) + part for k in range(0, len(stream), 255))
    control = b"" if transparent is None else bytes([0x21, 0xF9, 4, 1, 0, 0, transparent, 0])
    head = b"GIF89a" + struct.pack("<HHBBB", *screen, 0xF7, 0, 0) + colours.tobytes()
    frame = b"," + struct.pack("<HHHHB", *corner, width, height, 0) + b"\x08" + blocks + b"\0"
    return head + control + frame + b";"


def icc(space, red_first=True):
    """A profile with the colours of sRGB, or with red and green exchanged, and with light in proportion to values."""
    packed = [b"XYZ " + struct.pack(">4xiii", *np.rint(65536 * xyz).astype(int)) for xyz in (*PRIMARIES, WHITE)]
    red, green, blue, white = packed if red_first else [packed[1], packed[0], *packed[2:]]
    curve = b"curv" + bytes(8)
    tags = {b"wtpt": white, b"cprt": b"text\0\0\0\0none\0\0\0\0", b"desc": b"desc" + bytes(88)}
    if space == b"GRAY":
        tags |= {b"kTRC": curve}
    else:
        tags |= {b"rXYZ": red, b"gXYZ": green, b"bXYZ": blue, b"rTRC": curve, b"gTRC": curve, b"bTRC": curve}
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content
    head = struct.pack(">I4xI4s4s4s12x4s28x", start + len(body), 0x02100000, b"mntr", space, b"XYZ ", b"acsp")
    return (head + white[8:]).ljust(128, b"\0") + table + body


def as_srgb(light):
    """The sRGB value, 0 to 255, of light from 0 to 1."""
    light = np.clip(light, 0, 1)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def exif(orientation):
    block = Image.Exif()
    block[274] = orientation
    return block.tobytes()


def without(jpeg, marker):
    """A JPEG without its segments of a kind."""
    at, kept = 2, jpeg[:2]
    while jpeg[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        kept += b"" if jpeg[at + 1] == marker else jpeg[at:end]
        at = end
    return kept + jpeg[at:]


# What is read. Each function makes the bytes of a file, and what must come out of it.

READABLE = []


def readable(suffix, tolerance=0):
    def register(make):
        READABLE.append(pytest.param(make, suffix, tolerance, id=make.__name__))
        return make

    return register


@readable(".png")
def a_colour_png():
    return saved(scene(), "PNG"), scene()


@readable(".png")
def an_interlaced_png():
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    rows = [row.tobytes() for y, x, down, right in passes for row in scene()[y::down, x::right]]
    return png(rows, SIDE, SIDE, 8, 2, interlaced=True), scene()


@readable(".png")
def a_palette_png():
    return saved(indexed(ramp(), palette()), "PNG"), palette()[ramp().astype(int)]


@readable(".png", 1)
def a_palette_png_with_an_alpha_for_each_colour():
    alpha = np.arange(256)[::-1]
    colours = palette()[ramp().astype(int)]
    data = saved(indexed(ramp(), palette()), "PNG", transparency=bytes(alpha.astype(np.uint8)))
    return data, on_white(colours, alpha[ramp().astype(int)])


@readable(".png")
def a_palette_png_of_two_bits_with_one_transparent_colour():
    index = ramp(3).astype(np.uint8)
    rows = [np.packbits(np.unpackbits(row[:, None], axis=1)[:, 6:]).tobytes() for row in index]
    extra = chunk(b"PLTE", palette(4).tobytes()), chunk(b"tRNS", bytes([255, 255, 0]))
    return png(rows, SIDE, SIDE, 2, 3, *extra), on_white(palette()[index], np.where(index == 2, 0, 255))


@readable(".png")
def a_png_of_one_bit():
    bits = ramp() > 100
    return saved(Image.fromarray(bits), "PNG"), grey(bits * 255)


@readable(".png")
def a_png_of_one_bit_with_transparent_black():
    bits = ramp() > 100
    rows = [np.packbits(row).tobytes() for row in bits]
    return png(rows, SIDE, SIDE, 1, 0, chunk(b"tRNS", b"\0\0")), grey(np.full((SIDE, SIDE), 255))


@readable(".png")
def a_grey_png_of_two_bits_with_a_transparent_grey():
    level = ramp(3).astype(np.uint8)
    rows = [np.packbits(np.unpackbits(row[:, None], axis=1)[:, 6:]).tobytes() for row in level]
    return png(rows, SIDE, SIDE, 2, 0, chunk(b"tRNS", b"\0\1")), grey(np.where(level == 1, 255, level * 85.0))


@readable(".png")
def a_grey_png_of_four_bits_with_a_transparent_grey():
    level = ramp(15).astype(np.uint8)
    rows = [(row[::2] * 16 + row[1::2]).tobytes() for row in level]
    return png(rows, SIDE, SIDE, 4, 0, chunk(b"tRNS", b"\0\5")), grey(np.where(level == 5, 255, level * 17.0))


@readable(".png")
def a_grey_png():
    return saved(ramp().astype(np.uint8), "PNG"), grey(ramp())


@readable(".png")
def a_grey_png_of_sixteen_bits():
    return saved(ramp(65535).astype(np.uint16), "PNG"), grey(ramp(65535) / 257)


@readable(".png")
def a_dark_grey_png_of_sixteen_bits_is_not_stretched():
    return saved(ramp(2570).astype(np.uint16), "PNG"), grey(ramp(2570) / 257)


@readable(".png")
def a_grey_png_of_sixteen_bits_with_a_transparent_grey():
    level = ramp(15) * 4369
    data = png(wide_rows(level), SIDE, SIDE, 16, 0, chunk(b"tRNS", struct.pack(">H", 5 * 4369)))
    return data, grey(np.where(level == 5 * 4369, 255, level / 257))


@readable(".png", 1)
def a_colour_png_of_sixteen_bits():
    wide = scene().astype(int) * 257 + 40 * (scene() < 255)
    return png(wide_rows(wide.reshape(SIDE, -1)), SIDE, SIDE, 16, 2), scene()


@readable(".png", 1)
def a_png_of_sixteen_bits_with_alpha():
    wide = np.dstack([scene(), ramp()]).astype(int) * 257
    return png(wide_rows(wide.reshape(SIDE, -1)), SIDE, SIDE, 16, 6), on_white(scene(), ramp())


@readable(".png", 1)
def a_grey_png_with_alpha():
    both = np.dstack([scene()[..., 0], ramp()]).astype(np.uint8)
    return saved(Image.frombytes("LA", (SIDE, SIDE), both.tobytes()), "PNG"), on_white(grey(scene()[..., 0]), ramp())


@readable(".png", 1)
def a_png_with_alpha():
    return saved(np.dstack([scene(), ramp()]).astype(np.uint8), "PNG"), on_white(scene(), ramp())


@readable(".png")
def a_colour_png_with_one_transparent_colour():
    flat = np.where(ramp()[..., None] > 128, scene(), np.uint8([10, 20, 30]))
    data = png([row.tobytes() for row in flat], SIDE, SIDE, 8, 2, chunk(b"tRNS", struct.pack(">3H", 10, 20, 30)))
    return data, on_white(flat, np.where((flat == [10, 20, 30]).all(-1), 0, 255))


@readable(".png")
def the_first_frame_of_an_animated_png():
    more = [Image.fromarray(255 - scene())]
    return saved(scene(), "PNG", save_all=True, append_images=more, default_image=False), scene()


@readable(".png")
def a_png_turned_by_exif():
    return saved(ORIENTED[8](scene()), "PNG", exif=exif(6)), scene()


@readable(".webp")
def a_webp_turned_by_exif():
    return saved(ORIENTED[6](scene()), "WEBP", lossless=True, exif=exif(8)), scene()


@readable(".tif")
def a_tiff_turned_by_exif_is_turned_once():
    return saved(ORIENTED[8](scene()), "TIFF", tiffinfo={274: 6}), scene()


@readable(".tif")
def a_grey_tiff_of_sixteen_bits():
    return saved(ramp(65535).astype(np.uint16), "TIFF", compression="tiff_lzw"), grey(ramp(65535) / 257)


@readable(".tif")
def a_grey_tiff_of_sixteen_bits_with_the_high_byte_first():
    return tiff(ramp(65535).astype(">u2").tobytes(), (16,), 1, ">"), grey(ramp(65535) / 257)


@readable(".tif")
def a_grey_tiff_of_sixteen_bits_in_which_zero_is_white():
    return tiff(ramp(65535).astype("<u2").tobytes(), (16,), 0), grey(255 - ramp(65535) / 257)


@readable(".tif")
def a_grey_tiff_of_twelve_bits():
    level = ramp(4095).astype(int)
    first, second = level[:, ::2], level[:, 1::2]
    packed = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], -1).astype(np.uint8)
    return tiff(packed.tobytes(), (12,), 1), grey(level / 4095 * 255)


@readable(".tif", 1)
def a_colour_tiff_of_sixteen_bits():
    wide = scene().astype("<u2") * 257
    return tiff(wide.tobytes(), (16, 16, 16), 2), scene()


@readable(".tif")
def a_tiff_of_floating_point_numbers():
    return saved((ramp() / 255).astype(np.float32), "TIFF"), grey(ramp())


@readable(".tif")
def a_tiff_of_one_bit_compressed_as_a_fax():
    bits = ramp() > 100
    return saved(Image.fromarray(bits), "TIFF", compression="group4"), grey(bits * 255)


@readable(".tif", 3)
def a_tiff_in_cielab():
    lightness, a, b = 20 + ramp(60), np.rint(scene()[..., 0] / 12.75) - 10, np.rint(scene()[..., 1] / 12.75) - 10
    fy = (lightness + 16) / 116
    f = np.stack([fy + a / 500, fy, fy - b / 200], -1)
    xyz = np.where(f > 6 / 29, f**3, (f - 4 / 29) * 3 * (6 / 29) ** 2) * WHITE
    pixels = np.stack([np.rint(lightness * 2.55), a % 256, b % 256], -1).astype(np.uint8)
    return tiff(pixels.tobytes(), (8, 8, 8), 8), as_srgb(xyz @ np.linalg.inv(PRIMARIES))


@readable(".tif", 2)
def a_tiff_in_ycbcr():
    red, green, blue = np.moveaxis(scene().astype(float), -1, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    pixels = np.rint(np.stack([luma, 128 + (blue - luma) * 0.564, 128 + (red - luma) * 0.713], -1)).clip(0, 255)
    return saved(Image.frombytes("YCbCr", (SIDE, SIDE), pixels.astype(np.uint8).tobytes()), "TIFF"), scene()


@readable(".tif", 1)
def a_tiff_in_cmyk():
    inks = np.dstack([255 - scene(), ramp(100)]).astype(np.uint8)
    image = Image.frombytes("CMYK", (SIDE, SIDE), inks.tobytes())
    return saved(image, "TIFF"), scene() * (1 - ramp(100)[..., None] / 255)


@readable(".tif", 2)
def a_tiff_with_premultiplied_alpha():
    alpha = ramp(155) + 100
    pixels = np.dstack([np.rint(scene() * alpha[..., None] / 255), alpha]).astype(np.uint8)
    return tiff(pixels.tobytes(), (8, 8, 8, 8), 2, t338=1), on_white(scene(), alpha)


@readable(".tif", 2)
def a_grey_tiff_with_premultiplied_alpha():
    alpha = ramp(155) + 100
    pixels = np.dstack([np.rint(scene()[..., 0] * alpha / 255), alpha]).astype(np.uint8)
    return tiff(pixels.tobytes(), (8, 8), 1, t338=1), on_white(grey(scene()[..., 0]), alpha)


@readable(".tiff")
def a_tiff_compressed_by_lzw():
    return saved(scene(), "TIFF", compression="tiff_lzw"), scene()


@readable(".tiff")
def the_first_page_of_a_tiff():
    return saved(scene(), "TIFF", save_all=True, append_images=[Image.new("RGB", (9, 9))]), scene()


@readable(".jpg", 4)
def a_jpeg():
    return jpeg(), scene()


@readable(".jpg", 10)
def a_jpeg_with_colours_at_half_the_size():
    return jpeg(subsampling=2), scene()


@readable(".jpg", 4)
def a_progressive_jpeg():
    return jpeg(progressive=True), scene()


@readable(".jpg", 3)
def a_grey_jpeg():
    return jpeg(ramp().astype(np.uint8)), grey(ramp())


@readable(".jpg", 4)
def a_jpeg_that_stores_red_green_and_blue():
    return jpeg(keep_rgb=True), scene()


def cmyk_jpeg():
    inks = np.dstack([255 - scene(), ramp(100)]).astype(np.uint8)
    data = saved(Image.frombytes("CMYK", (SIDE, SIDE), inks.tobytes()), "JPEG", quality=98, subsampling=0)
    assert b"Adobe" in data
    return data, scene() * (1 - ramp(100)[..., None] / 255)


@readable(".jpg", 4)
def a_cmyk_jpeg_inverted_as_adobe_does():
    return cmyk_jpeg()


@readable(".jpg", 4)
def a_cmyk_jpeg_without_the_word_adobe_is_read_as_browsers_do():
    data, expected = cmyk_jpeg()
    return without(data, 0xEE), expected


@readable(".jpg", 4)
def the_first_picture_of_a_stereo_camera():
    return saved(
        scene(), "MPO", quality=97, subsampling=0, save_all=True, append_images=[Image.new("RGB", (SIDE, SIDE))]
    ), scene()


@readable(".jpg", 4)
def a_jpeg_with_a_damaged_exif_block_is_shown_as_stored():
    return jpeg(exif=b"Exif\0\0II*\0\xff\xff\xff\x7fgarbage"), scene()


@readable(".jpg", 4)
def a_jpeg_with_an_exif_block_of_noise_is_shown_as_stored():
    return jpeg(exif=b"Exif\0\0" + bytes(range(200))), scene()


@readable(".jpg", 4)
def a_jpeg_with_an_unknown_orientation_is_shown_as_stored():
    return jpeg(exif=exif(9)), scene()


@readable(".gif")
def the_first_frame_of_an_animated_gif():
    frames = [indexed(ramp(), palette()), indexed(255 - ramp(), palette())]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert len(list(ImageSequence.Iterator(Image.open(io.BytesIO(data))))) == 2
    return data, palette()[ramp().astype(int)]


@readable(".gif")
def an_interlaced_gif():
    data = saved(indexed(ramp(), palette()), "GIF", interlace=1)
    return data, palette()[ramp().astype(int)]


@readable(".gif")
def a_gif_with_a_transparent_colour():
    index = ramp(3).astype(int)
    data = saved(indexed(index, palette(4)), "GIF", transparency=2)
    return data, on_white(palette()[index], np.where(index == 2, 0, 255))


@readable(".gif")
def a_gif_whose_frame_begins_inside_a_transparent_screen():
    index = ramp(254)[:40, :30].astype(int)
    expected = np.full((SIDE, SIDE, 3), 255)
    expected[8:48, 5:35] = palette()[index]
    return gif(index, palette(), (SIDE, SIDE), (5, 8), transparent=255), expected


@readable(".webp", 10)
def a_lossy_webp():
    return saved(scene(), "WEBP", quality=95), scene()


@readable(".webp")
def a_lossless_webp():
    return saved(scene(), "WEBP", lossless=True), scene()


@readable(".webp", 1)
def a_webp_with_alpha():
    both = np.dstack([scene(), ramp()]).astype(np.uint8)
    return saved(both, "WEBP", lossless=True, exact=True), on_white(scene(), ramp())


@readable(".webp")
def the_first_frame_of_an_animated_webp():
    more = [Image.fromarray(255 - scene())]
    return saved(scene(), "WEBP", lossless=True, save_all=True, append_images=more), scene()


@readable(".bmp")
def a_bmp_of_24_bits():
    return bmp(scene()[::-1, :, ::-1].tobytes(), 24, SIDE), scene()


@readable(".bmp")
def a_bmp_of_32_bits_of_which_8_say_nothing():
    unused = np.zeros((SIDE, SIDE), np.uint8)
    return bmp(np.dstack([scene()[::-1, :, ::-1], unused]).tobytes(), 32, SIDE), scene()


@readable(".bmp")
def a_bmp_stored_from_the_top():
    return bmp(scene()[:, :, ::-1].tobytes(), 24, -SIDE), scene()


@readable(".bmp", 1)
def a_bmp_with_alpha():
    both = np.dstack([scene()[..., ::-1], ramp()]).astype(np.uint8)
    masks = 0xFF0000, 0xFF00, 0xFF, 0xFF000000
    return bmp(both[::-1].tobytes(), 32, SIDE, masks), on_white(scene(), ramp())


@readable(".bmp")
def a_bmp_with_a_palette():
    return saved(indexed(ramp(), palette()), "BMP"), palette()[ramp().astype(int)]


@readable(".png", 1)
def a_picture_that_names_the_profile_of_sRGB():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return saved(scene(), "PNG", icc_profile=profile), scene()


@readable(".png", 2)
def a_picture_whose_profile_says_that_values_are_light():
    return saved(scene(), "PNG", icc_profile=icc(b"RGB ")), as_srgb(scene() / 255)


@readable(".png", 2)
def a_picture_whose_profile_exchanges_red_and_green():
    return saved(scene(), "PNG", icc_profile=icc(b"RGB ", red_first=False)), as_srgb(scene()[..., [1, 0, 2]] / 255)


@readable(".png", 2)
def a_picture_with_alpha_and_a_profile():
    both = np.dstack([scene(), ramp()]).astype(np.uint8)
    return saved(both, "PNG", icc_profile=icc(b"RGB ")), on_white(as_srgb(scene() / 255), ramp())


@readable(".png", 2)
def a_grey_picture_of_sixteen_bits_with_a_grey_profile():
    data = saved((ramp() * 257).astype(np.uint16), "PNG", icc_profile=icc(b"GRAY"))
    return data, grey(as_srgb(ramp() / 255))


@readable(".png")
def a_grey_picture_with_a_profile_for_colours_is_read_without_it():
    return saved(ramp().astype(np.uint8), "PNG", icc_profile=icc(b"RGB ")), grey(ramp())


@readable(".png")
def a_picture_with_a_damaged_profile_is_read_without_it():
    return saved(scene(), "PNG", icc_profile=icc(b"RGB ")[:200]), scene()


@readable(".png", 4)
def a_jpeg_that_is_named_png():
    return jpeg(), scene()


@readable(".JPG", 4)
def a_jpeg_with_an_upper_case_suffix():
    return jpeg(), scene()


@readable(".png")
def a_single_pixel():
    return saved(np.uint8([[[200, 100, 50]]]), "PNG"), np.tile([200, 100, 50], (SIDE, SIDE, 1))


@readable(".png")
def a_line_of_pixels_is_cut_to_its_middle():
    line = np.zeros((1, 4001, 3), np.uint8)
    line[0, 1996:2005] = 200, 100, 50
    return saved(line, "PNG"), np.tile([200, 100, 50], (SIDE, SIDE, 1))


@readable(".jpg", 4)
def a_column_of_pixels_as_long_as_jpeg_allows():
    return saved(np.full((65500, 1, 3), [200, 100, 50], np.uint8), "JPEG"), np.tile([200, 100, 50], (SIDE, SIDE, 1))


@readable(".png")
def a_wide_picture_is_cut_to_its_central_square():
    return saved(scene(200, SIDE), "PNG"), scene(200, SIDE)[:, 68:132]


def avif(pixels=None, **options):
    return saved(scene() if pixels is None else pixels, "AVIF", **({"quality": 100, "subsampling": "4:4:4"} | options))


def video_colours(primaries, curve):
    """An AVIF file that declares other code points of ITU-T H.273."""
    data = avif()
    at = data.index(b"colrnclx") + 8
    return data[:at] + struct.pack(">HH", primaries, curve) + data[at + 4 :]


def jp2(*boxes, pixels=None):
    """A JPEG 2000 file whose colours are described by other boxes."""
    data = saved(scene() if pixels is None else pixels, "JPEG2000")
    start, end = data.index(b"jp2h") + 4, data.index(b"jp2c") - 4
    size = data[start : start + 22]
    header = size + b"".join(struct.pack(">I", 4 + len(box)) + box for box in boxes)
    return data[: start - 8] + struct.pack(">I", 8 + len(header)) + b"jp2h" + header + data[end:]


@readable(".avif", 4)
def an_avif():
    return avif(), scene()


@readable("", 4)
def an_avif_without_a_suffix_turned_by_exif():
    return avif(exif=exif(6)), ORIENTED[6](scene())


@readable(".jpg", 4)
def an_avif_with_alpha_that_is_named_jpg():
    both = np.dstack([scene(), ramp()]).astype(np.uint8)
    return avif(both), on_white(scene(), ramp())


@readable(".avif", 45)  # the profile multiplies dark values, and what compression does to them, by 13
def an_avif_with_a_profile():
    return avif(icc_profile=icc(b"RGB ", red_first=False)), as_srgb(scene()[..., [1, 0, 2]] / 255)


@readable(".avifs", 4)
def the_first_frame_of_an_avif_sequence():
    return avif(save_all=True, append_images=[Image.fromarray(255 - scene())]), scene()


@readable(".jp2")
def a_jpeg_2000_without_loss():
    return saved(scene(), "JPEG2000"), scene()


@readable(".j2k")
def the_bare_stream_of_a_jpeg_2000():
    return saved(scene(), "JPEG2000", no_jp2=True), scene()


@readable(".jp2")
def a_grey_jpeg_2000_of_sixteen_bits():
    return saved(np.rint(ramp(65535)).astype(np.uint16), "JPEG2000"), grey(ramp())


@readable(".jp2", 1)
def a_jpeg_2000_with_alpha():
    both = np.dstack([scene(), ramp()]).astype(np.uint8)
    return saved(both, "JPEG2000"), on_white(scene(), ramp())


@readable(".jp2", 2)
def a_jpeg_2000_whose_profile_exchanges_red_and_green():
    return jp2(b"colr\2\0\0" + icc(b"RGB ", red_first=False)), as_srgb(scene()[..., [1, 0, 2]] / 255)


@readable(".ppm")
def a_ppm():
    return saved(scene(), "PPM"), scene()


@readable(".pgm")
def a_pgm_of_sixteen_bits():
    return saved(np.rint(ramp(65535)).astype(np.uint16), "PPM"), grey(ramp())


@readable(".qoi", 1)
def a_qoi_with_alpha():
    both = np.dstack([scene(), ramp()]).astype(np.uint8)
    return saved(both, "QOI"), on_white(scene(), ramp())


@readable(".mpo", 4)
def the_first_picture_of_an_mpo():
    return saved(
        scene(), "MPO", quality=97, subsampling=0, save_all=True, append_images=[Image.new("RGB", (9, 9))]
    ), scene()


def assert_close(picture, expected, tolerance):
    assert picture.shape == (SIDE, SIDE, 3)
    assert picture.dtype == np.uint8
    assert np.abs(picture - np.asarray(expected, float)).max() <= tolerance + 0.5 * (tolerance > 0)


@pytest.mark.parametrize(("make", "suffix", "tolerance"), READABLE)
def test_this_file_is_read_as_the_picture_it_is(tmp_path, make, suffix, tolerance):
    data, expected = make()
    file = tmp_path / f"a{suffix}"
    file.write_bytes(data)
    assert_close(read_picture(file, SIDE), expected, tolerance)


@pytest.mark.parametrize("orientation", ORIENTED)
def test_a_jpeg_is_turned_upright_as_its_exif_says_and_then_cut(tmp_path, orientation):
    back = {6: 8, 8: 6}.get(orientation, orientation)
    upright = scene(96, 64)
    file = tmp_path / "a.jpg"
    file.write_bytes(jpeg(ORIENTED[back](upright), exif=exif(orientation)))
    assert np.array_equal(ORIENTED[orientation](ORIENTED[back](upright)), upright)
    assert_close(read_picture(file, SIDE), upright[:, 16:80], 4)


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_picture_larger_than_asked_for_is_averaged_down(tmp_path, form):
    file = tmp_path / "a"
    file.write_bytes(saved(np.kron(scene(), np.ones((16, 16, 1), np.uint8)), form))
    assert_close(read_picture(file, SIDE), scene(), 6)


def test_a_fully_transparent_colour_leaves_no_trace_when_a_picture_shrinks(tmp_path):
    pixels = np.zeros((640, 640, 4), np.uint8)
    pixels[::2] = 255, 0, 0, 255
    file = tmp_path / "a.png"
    file.write_bytes(saved(pixels, "PNG"))
    assert np.abs(read_picture(file, SIDE) - np.array([255, 127.5, 127.5])).max() <= 4


# What is refused. Each function makes the bytes of a file; the sentence must hold the given words.

REFUSED = []


def refused(words, suffix=".png"):
    def register(make):
        REFUSED.append(pytest.param(make, words, suffix, id=make.__name__))
        return make

    return register


def noise():
    return np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)


def claims(width, height):
    """A PNG that claims a size and holds one row."""
    return png([bytes(3)], width, height, 8, 2)


@refused("not one of PNG, JPEG, WEBP, BMP, GIF, TIFF")
def an_empty_file():
    return b""


@refused("not one of PNG")
def a_text_named_png():
    return b"my cat, asleep\n" * 100


@refused("not one of PNG", ".jpg")
def a_web_page_named_jpg():
    return b"<!DOCTYPE html><html><body>404 Not Found</body></html>"


@refused("the format EPS, which is not read")
def postscript_named_png_never_reaches_ghostscript():
    return b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\nshowpage\n"


@refused("not one of PNG")
def a_zip_named_png():
    return b"PK\3\4" + bytes(100)


@refused("truncated", ".jpg")
def a_progressive_jpeg_without_its_last_scans():
    data = saved(noise(), "JPEG", progressive=True)
    return data[: int(len(data) * 0.9)]


@refused("")
def a_png_without_its_end():
    return saved(noise(), "PNG")[:-12]


@refused("checksum")
def a_png_of_which_one_bit_has_changed():
    data = bytearray(saved(noise(), "PNG", compress_level=0))
    data[6000] ^= 16
    return bytes(data)


@refused(f"more than {LARGEST:,} pixels")
def a_png_that_claims_400_million_pixels():
    return claims(20000, 20000)


@refused("pixels")
def a_png_of_a_size_at_which_pillow_only_warns():
    return claims(9500, 9500)


@refused("pixels", ".jpg")
def a_jpeg_that_claims_400_million_pixels():
    data = saved(scene(), "JPEG")
    return data.replace(struct.pack(">HH", SIDE, SIDE), struct.pack(">HH", 20000, 20000), 1)


@refused("pixels", ".gif")
def a_gif_that_claims_120_million_pixels():
    return gif(np.zeros((4, 4)), palette(), (12000, 10000), (0, 0), transparent=0)


@refused("pixels")
def a_real_bomb_of_a_few_kilobytes():
    packed = zlib.compressobj(9)
    row = bytes(1 + 20000 // 8)
    body = b"".join(packed.compress(row) for _ in range(20000)) + packed.flush()
    return png([], 20000, 20000, 1, 0).split(b"IDAT")[0][:-4] + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@refused("no defined white", ".tif")
def a_tiff_of_numbers_beyond_one():
    return saved(ramp(40).astype(np.float32), "TIFF")


@refused("no defined white", ".tif")
def a_tiff_of_numbers_of_which_one_is_none():
    values = (ramp() / 255).astype(np.float32)
    values[3, 4] = np.nan
    return saved(values, "TIFF")


@refused("no defined white", ".tif")
def a_tiff_of_integers_of_32_bits():
    return saved(ramp(70000).astype(np.int32), "TIFF")


@refused("no defined white", ".tif")
def a_tiff_of_signed_bytes():
    return tiff(ramp(120).astype(np.int8).tobytes(), (8,), 1, t339=2)


@refused("save it with an alpha channel")
def a_colour_png_of_sixteen_bits_with_a_transparent_colour():
    wide = scene().astype(int) * 257
    return png(wide_rows(wide.reshape(SIDE, -1)), SIDE, SIDE, 16, 2, chunk(b"tRNS", bytes(6)))


@refused("does not cover the whole picture", ".gif")
def a_gif_whose_frame_begins_inside_an_opaque_screen():
    return gif(ramp(254)[:40, :30], palette(), (SIDE, SIDE), (5, 8))


@refused("wide gamut or high dynamic range", ".avif")
def an_avif_of_high_dynamic_range():
    return video_colours(9, 16)


@refused("wide gamut or high dynamic range", "")
def an_avif_in_display_p3_without_a_profile():
    return video_colours(12, 13)


@refused("not sRGB, grey or CMYK", ".jp2")
def a_jpeg_2000_in_cielab():
    return jp2(b"colr\1\0\0" + struct.pack(">I", 14))


@refused("colours in order, then alpha", ".jp2")
def a_jpeg_2000_with_blue_first():
    order = b"".join(struct.pack(">3H", k, 0, 3 - k) for k in range(3))
    return jp2(b"colr\1\0\0" + struct.pack(">I", 16), b"cdef" + struct.pack(">H", 3) + order)


@refused("pixels", ".jxl")
def a_jpeg_xl_that_claims_a_billion_pixels(side=40_000):
    pytest.importorskip("pillow_jxl")
    bits = 0 | (2 << 1) | ((side - 1) << 3) | (0 << 21) | (2 << 24) | ((side - 1) << 26)  # lengths of 18 bits
    return b"\xff\x0a" + bits.to_bytes(14, "little")


def refusal(file, read=None):
    """What the user is told: one printable line that begins with the file and ends with what to do."""
    with pytest.raises(BadInput) as caught:
        (read or (lambda: read_picture(file, SIDE)))()
    sentence = str(caught.value)
    shown = str(file) if str(file).isprintable() else ascii(str(file))[1:-1]
    assert sentence.startswith(f"{shown}: ")
    assert sentence.isprintable()
    assert sentence.endswith(("replace or remove it.", "put a copy in its place.", "or remove it.", "PNG or JPEG."))
    return sentence


@pytest.mark.parametrize(("make", "words", "suffix"), REFUSED)
def test_this_file_is_refused_in_one_sentence(tmp_path, make, words, suffix):
    file = tmp_path / f"a{suffix}"
    file.write_bytes(make())
    assert words in refusal(file)


@pytest.mark.parametrize("form", (*FORMS, "AVIF", "JPEG2000", "PPM", "QOI"))
def test_half_of_a_file_is_refused(tmp_path, form):
    data = saved(noise(), form)
    (tmp_path / "a").write_bytes(data[: len(data) // 2])
    refusal(tmp_path / "a")


def test_a_folder_named_as_a_picture_is_refused(tmp_path):
    (tmp_path / "a.png").mkdir()
    assert "a folder, a pipe" in refusal(tmp_path / "a.png")


@pytest.mark.timeout(120)  # reading a pipe would never end
def test_a_pipe_named_as_a_picture_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    assert "a folder, a pipe" in refusal(tmp_path / "a.png")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused(tmp_path):
    file = tmp_path / "a.png"
    file.write_bytes(saved(scene(), "PNG"))
    file.chmod(0)
    assert "Permission denied" in refusal(file)


@pytest.mark.parametrize("form", (*FORMS, "AVIF", "JPEG2000", "PPM", "QOI"))
def test_no_damage_brings_down_the_reader(tmp_path, form):
    whole = saved(scene(16, 16), form)
    chance = np.random.default_rng(7)
    file = tmp_path / "a"
    for _ in range(50):
        data = bytearray(whole[: chance.integers(len(whole) // 2, len(whole) + 1)])
        for at in chance.integers(0, min(len(data), 400), 3):
            data[at] = chance.integers(256)
        file.write_bytes(data)
        try:
            assert read_picture(file, SIDE).shape == (SIDE, SIDE, 3)
        except BadInput:
            refusal(file)


# Formats that packages read.


def heic(pixels=None, **options):
    pytest.importorskip("pillow_heif").register_heif_opener()
    return saved(scene() if pixels is None else pixels, "HEIF", **({"quality": -1, "chroma": 444} | options))


def jxl(pixels=None, **options):
    pytest.importorskip("pillow_jxl")
    return saved(scene() if pixels is None else pixels, "JXL", **({"lossless": True} | options))


@pytest.mark.parametrize("make", [heic, jxl])
@pytest.mark.parametrize("name", ["a.heic", "a.jxl", "a", "a.jpg"])
def test_a_picture_that_a_package_reads_is_read(tmp_path, make, name):
    (tmp_path / name).write_bytes(make())
    assert_close(read_picture(tmp_path / name, SIDE), scene(), 4)
    (tmp_path / name).write_bytes(make(np.dstack([scene(), ramp()]).astype(np.uint8)))
    assert_close(read_picture(tmp_path / name, SIDE), on_white(scene(), ramp()), 4)
    (tmp_path / name).write_bytes(make()[:-9])
    refusal(tmp_path / name)


def test_a_heic_turned_by_exif_is_turned_once(tmp_path):
    (tmp_path / "a.heic").write_bytes(heic(exif=exif(6)))
    assert_close(read_picture(tmp_path / "a.heic", SIDE), ORIENTED[6](scene()), 4)


def test_a_heic_of_high_dynamic_range_is_refused(tmp_path):
    data = heic(save_nclx_profile=True, color_primaries=9, transfer_characteristics=16)
    (tmp_path / "a.heic").write_bytes(data)
    assert "high dynamic range" in refusal(tmp_path / "a.heic")


def test_a_jpeg_packed_as_jpeg_xl_is_turned_by_exif_and_any_other_is_turned_by_its_decoder(tmp_path):
    pytest.importorskip("pillow_jxl")
    (tmp_path / "a.jpg").write_bytes(jpeg(exif=exif(6)))
    with Image.open(tmp_path / "a.jpg") as image:
        image.save(tmp_path / "a.jxl", lossless_jpeg=True)
    assert_close(read_picture(tmp_path / "a.jxl", SIDE), ORIENTED[6](scene()), 4)
    (tmp_path / "b.jxl").write_bytes(jxl(exif=exif(6)))
    assert_close(read_picture(tmp_path / "b.jxl", SIDE), scene(), 0)


@pytest.mark.parametrize("size", [(64, 64), (37, 100), (17, 4000), (256, 128), (8, 16)])
@pytest.mark.parametrize("container", [False, True])
def test_the_pixels_of_a_jpeg_xl_are_counted_before_it_is_decoded(size, container):
    assert jxl_pixels(jxl(scene(*size), use_container=container)) == size[0] * size[1]


MEASURED = """
import sys
from pathlib import Path
from cpbench.benchmark.suite.images import read_picture

def peak():
    return next(int(row.split()[1]) for row in open("/proc/self/status") if row.startswith("VmHWM")) / 1024

before = peak()
picture = read_picture(Path(sys.argv[1]), 64)
Path(sys.argv[2]).write_bytes(picture.tobytes())
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from Linux")
@pytest.mark.parametrize(("form", "megabytes"), [("JPEG", 60), ("PNG", 400)])
def test_64_million_pixels_are_read_in_bounded_memory(tmp_path, form, megabytes):
    file = tmp_path / "a"
    Image.fromarray(scene()).resize((8000, 8000), Image.Resampling.NEAREST).save(file, form, compress_level=1)
    command = [sys.executable, "-W", "error", "-c", MEASURED, str(file), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    picture = np.frombuffer((tmp_path / "out").read_bytes(), np.uint8).reshape(SIDE, SIDE, 3)
    assert_close(picture, scene(), 6)
    assert float(done.stdout) < megabytes


# Folders.


def folder_suite(tmp_path):
    (tmp_path / "rex").mkdir(exist_ok=True)
    return load_suite(str(write_suite(tmp_path, concepts=[{"name": "rex", "noun": "dog", "folder": "rex"}])))


def pictures(tmp_path):
    suite = folder_suite(tmp_path)
    return reference_pictures(suite, suite.concepts[0])


def plain(level):
    return saved(np.full((4, 4, 3), level, np.uint8), "PNG")


AWKWARD = {
    "letters of many alphabets": "Katze-猫-кошка-🐈.png".encode(),
    "spaces at both ends": b" my cat .png",
    "a line break": b"my\ncat.png",
    "an escape sequence": b"\x1b[31mcat.png",
    "bytes that are no text": b"cat\xff\xfe.png",
    "what a shell would expand": b"$(cat) *?'\".png",
}


@pytest.mark.parametrize("name", AWKWARD.values(), ids=AWKWARD)
def test_a_name_may_hold(tmp_path, name):
    folder_suite(tmp_path)
    file = Path(os.fsdecode(os.fsencode(tmp_path / "rex") + b"/" + name))
    file.write_bytes(plain(7))
    assert (pictures(tmp_path) == 7).all()
    file.write_bytes(b"no picture")
    refusal(file, lambda: pictures(tmp_path)).encode()


def test_pictures_are_taken_by_name(tmp_path):
    folder_suite(tmp_path)
    for level, name in [(5, "é.png"), (2, "10.PNG"), (4, "a.png"), (3, "B.webp"), (1, "01.png")]:
        (tmp_path / "rex" / name).write_bytes(plain(level))
    assert pictures(tmp_path)[:, 0, 0, 0].tolist() == [1, 2, 3, 4, 5]


OTHER = ["._a.png", ".DS_Store", ".png", ".hidden.jpg", "Thumbs.db", "a.txt", "a.png.part", "png"]


@pytest.mark.parametrize("name", OTHER)
def test_a_file_that_is_hidden_or_no_picture_at_all_is_not_read(tmp_path, name):
    folder_suite(tmp_path)
    (tmp_path / "rex" / name).write_bytes(b"\0\5\x16\7 no picture")
    with pytest.raises(BadInput, match="no pictures"):
        pictures(tmp_path)
    (tmp_path / "rex" / "a.png").write_bytes(plain(7))
    assert len(pictures(tmp_path)) == 1


def test_a_link_to_a_picture_beside_the_spec_is_followed(tmp_path):
    folder_suite(tmp_path)
    (tmp_path / "b.png").write_bytes(plain(7))
    (tmp_path / "rex" / "a.png").symlink_to("../b.png")
    assert (pictures(tmp_path) == 7).all()


@pytest.mark.parametrize("target", ["b.png", "missing.png"])
def test_a_link_out_of_the_folder_of_the_spec_is_refused_whether_or_not_it_leads_anywhere(tmp_path, target):
    inner = tmp_path / "spec"
    inner.mkdir()
    folder_suite(inner)
    (tmp_path / "b.png").write_bytes(plain(7))
    (inner / "rex" / "a.png").symlink_to(tmp_path / target)
    assert "link out of the folder" in refusal(inner / "rex" / "a.png", lambda: pictures(inner))


@pytest.mark.parametrize("target", ["a.png", "nowhere.png"], ids=["to_itself", "to_nothing"])
def test_a_link_that_leads(tmp_path, target):
    folder_suite(tmp_path)
    (tmp_path / "rex" / "a.png").symlink_to(target)
    assert "a broken link" in refusal(tmp_path / "rex" / "a.png", lambda: pictures(tmp_path))


def test_a_concept_whose_folder_is_a_link_to_itself_holds_no_pictures(tmp_path):
    folder_suite(tmp_path)
    (tmp_path / "rex").rmdir()
    (tmp_path / "rex").symlink_to("rex")
    suite = load_suite(str(tmp_path / "tiny.yaml"))
    with pytest.raises(BadInput, match="no pictures"):
        reference_pictures(suite, suite.concepts[0])


def test_a_folder_that_may_not_be_listed_is_refused(tmp_path, monkeypatch):
    def forbidden(folder):
        raise PermissionError(13, "Permission denied", str(folder))

    folder_suite(tmp_path)
    monkeypatch.setattr(Path, "iterdir", forbidden)
    with pytest.raises(BadInput, match=r"'rex': .*rex cannot be listed \(Permission denied\)"):
        pictures(tmp_path)
