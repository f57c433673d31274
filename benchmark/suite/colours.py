"""Sizes and colours that newer formats declare outside the pixels, and that Pillow does not look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_PRIMARIES = {1, 2, 5, 6, 7}  # ITU-T H.273: BT.709, unspecified, and those of television, which are close
_CURVES = {1, 2, 6, 13, 14, 15}  # that of sRGB, and those that viewers show as sRGB
_ORDINARY = {0, 12, 15, 16, 17, 18}  # of JPEG 2000: two levels, CMYK, sRGB, grey, sYCC
_CHANNEL = 6  # bytes per entry of a JPEG 2000 channel definition


def check_video_colours(primaries: int, curve: int) -> None:
    """Raise ValueError for code points of ITU-T H.273 that are far from sRGB: a wide gamut, or high dynamic range."""
    if primaries not in _PRIMARIES or curve not in _CURVES:
        raise ValueError(
            "its colours are of a wide gamut or high dynamic range without an ICC profile; save it in sRGB"
        )


def check_avif(data: bytes) -> None:
    """Raise ValueError for an AVIF file with colours other than sRGB, or a crop that Pillow leaves out."""
    meta = next((content for kind, content in _boxes(data) if kind == b"meta"), b"")
    if (at := meta.find(b"colrnclx")) >= 0:
        check_video_colours(int.from_bytes(meta[at + 8 : at + 10]), int.from_bytes(meta[at + 10 : at + 12]))
    if b"clap" in meta:
        raise ValueError("it is cropped by its container; save the crop alone")


def check_heif(info: Mapping[Any, Any]) -> None:
    """Raise ValueError for colours other than sRGB in a picture that pillow-heif opened."""
    if nclx := info.get("nclx_profile"):
        check_video_colours(int(nclx["color_primaries"]), int(nclx["transfer_characteristics"]))


def jp2_profile(data: bytes) -> bytes | None:
    """The ICC profile of a JPEG 2000 file, if any; raises ValueError for colours or channels that Pillow mistakes."""
    header = next((content for kind, content in _boxes(data) if kind == b"jp2h"), b"")
    profile = None
    for kind, content in _boxes(header):
        if kind == b"colr" and content[:1] == b"\2":
            profile = content[3:]
        elif kind == b"colr" and content[:1] == b"\1" and int.from_bytes(content[3:7]) not in _ORDINARY:
            raise ValueError("its colours are not sRGB, grey or CMYK; save it in sRGB")
        elif kind == b"cdef" and not _usual(content):
            raise ValueError("its channels are not colours in order, then alpha; save it as PNG")
    return profile


def _usual(definitions: bytes) -> bool:
    """Whether the channels of a JPEG 2000 file are colours 1, 2, ... in order, perhaps followed by one of opacity."""
    entries = [definitions[at : at + _CHANNEL] for at in range(2, len(definitions), _CHANNEL)]
    fields = sorted(tuple(int.from_bytes(entry[k : k + 2]) for k in (0, 2, 4)) for entry in entries)
    return all(
        (kind == 0 and of == number + 1) or (kind == 1 and of == 0 and number == len(fields) - 1)
        for number, kind, of in fields
    )


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The boxes of a file of ISO base media or JPEG 2000: kind and content."""
    at = 0
    while at + 8 <= len(data):
        length, head = int.from_bytes(data[at : at + 4]), 8
        if length == 1:
            length, head = int.from_bytes(data[at + 8 : at + 16]), 16
        if length == 0:  # to the end
            length = len(data) - at
        if length < head:
            return
        yield data[at + 4 : at + 8], data[at + head : at + length]
        at += length


def jxl_pixels(data: bytes) -> int:
    """How many pixels a JPEG XL file claims to have (ISO 18181-1, SizeHeader); its decoder would take them all."""
    if not data.startswith(b"\xff\x0a"):
        streams = (content[4:] if kind == b"jxlp" else content for kind, content in _boxes(data) if kind[:3] == b"jxl")
        data = next((stream for stream in streams if stream.startswith(b"\xff\x0a")), b"")
    bits, read = int.from_bytes(data[2:16], "little"), 0

    def take(n: int) -> int:
        nonlocal read
        read += n
        return bits >> (read - n) & ((1 << n) - 1)

    def length(eighths: int) -> int:
        return 8 * (take(5) + 1) if eighths else take((9, 13, 18, 30)[take(2)]) + 1

    eighths = take(1)
    height, ratio = length(eighths), take(3)
    if not ratio:
        return height * length(eighths)
    up, down = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[ratio - 1]
    return height * (height * up // down)
