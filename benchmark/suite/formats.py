"""The format of a picture file: by its first bytes, not by its name. Only the formats in ``READ`` are ever decoded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from PIL import features

from ..errors import BadInput

HEAD = 4096  # bytes that are enough to recognise a format


@dataclass(frozen=True)
class Format:
    """A format of pictures: its name, Pillow's names for it (none: not read), and what reads it if Pillow does not.

    ``feature`` is the part of Pillow that decodes it; without that, the module of ``package`` does.
    """

    name: str
    pillow: tuple[str, ...] = ()
    feature: str = ""
    module: str = ""
    package: str = ""


_OLD = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")  # tried together: some names and contents disagree
_PILLOW = Format("PNG, JPEG, WebP, BMP, GIF, TIFF", _OLD)
_AVIF = Format("AVIF", ("AVIF",), "avif", "pillow_avif", "pillow-avif-plugin")
_HEIC = Format("HEIC", ("HEIF",), "", "pillow_heif", "pillow-heif")
_JXL = Format("JPEG XL", ("JXL",), "", "pillow_jxl", "pillow-jxl-plugin")
_JP2 = Format("JPEG 2000", ("JPEG2000",), "jpg_2000", "", "pillow")
_PPM = Format("PPM", ("PPM",))
_QOI = Format("QOI", ("QOI",))
READ = (_PILLOW, _AVIF, _JP2, _PPM, _QOI, _HEIC, _JXL)
"""All formats that can be read; the last two only with a package."""
BUILT_IN = tuple(name for form in READ[:-2] for name in form.pillow)
"""Pillow's names of the formats that it decodes itself; it would hand others to Ghostscript."""
NAMES = "PNG, JPEG, WEBP, BMP, GIF, TIFF, AVIF, JPEG 2000, PPM, QOI, HEIC, JPEG XL"

_UNREAD = {
    "PSD": rb"8BPS",
    "EPS": rb"%!PS|\xc5\xd0\xd3\xc6",
    "SVG": rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*|<!--.*?-->\s*|<!DOCTYPE svg[^>]*>\s*)*<svg[\s>]",
    "EXR": rb"v/1\x01",
    "HDR": rb"#\?RADIANCE",
    "JPEG XR": rb"II\xbc\x01",
    "BPG": rb"BPG\xfb",
    "FLIF": rb"FLIF",
    "DDS": rb"DDS ",
    "XCF": rb"gimp xcf",
    "ICNS": rb"icns",
    "DjVu": rb"AT&TFORM",
    "MNG": rb"\x8a[MJ]NG",
    "PAM": rb"P7\n",
    "FITS": rb"SIMPLE  =",
    "SGI": rb"\x01\xda[\x00\x01][\x01\x02]",
    "DICOM": rb".{128}DICM",
}
_MAGIC = (
    (rb"II\*\0.{4}CR\x02|FUJIFILMCCD-RAW|IIRO|IIRS|IIU\0|FOVb|\0MRM", Format("camera raw")),
    (rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8[79]a|RIFF....WEBP|II[*+]\0|MM\0[*+]", _PILLOW),
    (rb"BM.{4}.{4}.{4}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0", _PILLOW),
    (rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51\0", _JP2),
    (rb"\0\0\0\x0cJXL \r\n\x87\n|\xff\x0a", _JXL),
    (rb"P[1-6]\s+(?:#[^\n]*\n\s*)*\d+\s+\d+\s|P[Ff]\s+\d+\s+\d+\s", _PPM),
    (rb"qoif.{8}[\x03\x04][\x00\x01]", _QOI),
    *((pattern, Format(name)) for name, pattern in _UNREAD.items()),
)
_RAW = "cr2 cr3 crw nef nrw arw sr2 srf dng orf rw2 raf pef srw x3f 3fr erf kdc dcr mrw rwl iiq raw"
_OTHERS = "psd psb xcf kra eps ps svg svgz ai tga pcx sgi dds ico cur icns exr hdr jxr wdp hdp bpg flif emf wmf xbm xpm"
_SUFFIXES = {
    **dict.fromkeys("png apng jpg jpeg jpe jfif jif mpo webp bmp dib gif tif tiff".split(), _PILLOW),
    **dict.fromkeys("avif avifs".split(), _AVIF),
    **dict.fromkeys("heic heif heics heifs hif".split(), _HEIC),
    "jxl": _JXL,
    **dict.fromkeys("jp2 j2k jpc jpf jpx j2c jpm".split(), _JP2),
    **dict.fromkeys("ppm pgm pbm pnm pfm".split(), _PPM),
    "qoi": _QOI,
    **{suffix: Format(suffix.upper()) for suffix in _OTHERS.split()},
    **dict.fromkeys(_RAW.split(), Format("camera raw")),
}
_BRANDS = {b"crx ": Format("camera raw"), b"avif": _AVIF, b"avis": _AVIF} | dict.fromkeys(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"), _HEIC
)


def head_of(file: Path) -> bytes:
    """The first bytes of a file; raises OSError where it cannot be read. A pipe would block: ask for files only."""
    with file.open("rb") as stream:
        return stream.read(HEAD)


def format_of(head: bytes, name: str) -> Format | None:
    """The format of a file with these first bytes; None: of no known one.

    The name decides for cameras' raw formats, which are TIFF files whose first page is a preview, and for those that
    are not read and cannot be told by their content.
    """
    named, found = by_name(name), by_content(head)
    if named is not None and (named.name == "camera raw" or (found is None and not named.pillow)):
        return named
    return _HEIC if found is None and named is _HEIC and head[4:8] == b"ftyp" else found


def by_content(head: bytes) -> Format | None:
    """The format of a file that begins with these bytes, or None."""
    if head[4:8] == b"ftyp":
        brands = [head[8:12], *(head[at : at + 4] for at in range(16, min(int.from_bytes(head[:4]), 256), 4))]
        return next((form for brand, form in _BRANDS.items() if brand in brands), None)
    for pattern, form in _MAGIC:
        if re.match(pattern, head, re.DOTALL):
            return form
    return None


def by_name(name: str) -> Format | None:
    """The format that the suffix of a file name stands for, also before ``?w=512`` and the like; None for none."""
    tails = (Path(part).suffix.lower()[1:] for part in (name, re.split(r"[?#&:@]", name)[0]))
    return next((_SUFFIXES[tail] for tail in tails if tail in _SUFFIXES), None)


def pillow_formats(form: Format | None) -> tuple[str, ...]:
    """What Pillow may try on a file of this format; loads the package that reads it.

    Raises BadInput without the name of the file if the format is not read, or its package is missing.
    """
    if form is None:
        return _OLD
    if not form.pillow:
        raise BadInput(f"a picture in the format {form.name}, which is not read; save it as PNG or JPEG, or remove it.")
    if form.feature and features.check(form.feature):
        return form.pillow
    if form.package:
        _load(form)
    return form.pillow


def readable() -> dict[str, str]:
    """Formats by name, with what is needed to read them: an empty string, or the package to install."""
    found = {}
    for form in READ:
        try:
            pillow_formats(form)
            found[form.name] = ""
        except BadInput:
            found[form.name] = form.package
    return found


def _load(form: Format) -> None:
    """Load the package of a format into Pillow."""
    if form is _JP2:
        raise BadInput("a picture in the format JPEG 2000, which this Pillow cannot read; run 'pip install -U pillow'.")
    try:
        plugin = import_module(form.module)
        if form is _HEIC:
            plugin.register_heif_opener()
    except Exception as error:  # a package that is there but broken raises whatever it likes
        lacking = isinstance(error, ModuleNotFoundError) and error.name == form.module
        state = "is not installed" if lacking else f"does not load ({type(error).__name__})"
        raise BadInput(
            f"a picture in the format {form.name}, and {form.package}, which reads it, {state}; run "
            f"'pip install -U {form.package}', or save it as PNG or JPEG."
        ) from None
