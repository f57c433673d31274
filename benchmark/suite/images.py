"""Reads picture files. A file that cannot be read correctly raises BadInput with its name and the reason."""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageFile, ImageOps, TiffImagePlugin, UnidentifiedImageError

from ..errors import BadInput
from ..protocol import Pictures
from ..wording import shown
from .colours import check_avif, check_heif, jp2_profile, jxl_pixels
from .formats import NAMES, format_of, head_of, pillow_formats

LARGEST = 89_000_000  # pixels per picture; Pillow warns of a decompression bomb a little above


def named(file: Path) -> str:
    """The whole path of a file in one printable line, whatever bytes it has."""
    return shown(file, 5000)


def read_picture(file: Path, size: int, place: tuple[float, float] = (0.5, 0.5)) -> Pictures:
    """Read one picture: turned upright, on white, cropped to a square, resized; uint8 (size, size, 3).

    ``place``: where the square is, from (0, 0), left and top, to (1, 1); in the middle by default.

    The content decides the format, not the name. Reads the first frame or page. Raises BadInput if the file is damaged
    or ambiguous, or has a format that needs a package or is not read.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # they concern metadata; damaged pixels raise
            return np.asarray(_decoded(file, size, place))
    except BadInput as error:
        raise BadInput(f"{named(file)}: {error}") from None
    except BaseException as error:  # Pillow raises many types for damaged files, and plug-ins in Rust panic
        if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit):
            raise
        raise BadInput(f"{named(file)}: not a readable picture ({_reason(error)}); replace or remove it.") from None


def _reason(error: BaseException) -> str:
    if isinstance(error, UnidentifiedImageError):
        return f"damaged, or not one of {NAMES}"
    if isinstance(error, Image.DecompressionBombError | MemoryError):
        return f"more than {LARGEST:,} pixels"
    if "libjxl" in str(error):  # pillow-jxl-plugin gives the advice of a developer
        return "damaged"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return shown(" ".join(text.split()), 200) or type(error).__name__


def _decoded(file: Path, size: int, place: tuple[float, float]) -> Image.Image:
    if not file.is_file():  # opening a pipe would block
        raise ValueError("a folder, a pipe, or a broken link")
    formats = pillow_formats(format_of(head_of(file), file.name))
    if formats == ("JXL",) and jxl_pixels(file.read_bytes()) > LARGEST:  # opening one decodes it
        raise Image.DecompressionBombError
    with Image.open(file, formats=formats) as image:
        if image.width * image.height > LARGEST:
            raise Image.DecompressionBombError
        image.verify()  # loading a PNG does not check its checksums
    with Image.open(file, formats=formats) as image:
        if image.format in ("JPEG", "MPO"):
            image.draft(None, (4 * size, 4 * size))  # decodes a large one at a fraction of its size
        _check_layout(image)
        _check_container(image, file)
        image.load()
        square = ImageOps.fit(_plain(image), (size, size), Image.Resampling.BICUBIC, centering=place)
    return _on_white(square if _is_upright(image) else _upright(square))


def _is_upright(image: ImageFile.ImageFile) -> bool:
    """Whether loading has turned the picture already: a TIFF, and a JPEG XL that is no JPEG packed without loss."""
    return image.format == "TIFF" or (image.format == "JXL" and not getattr(image, "jpeg", False))


def _check_layout(image: ImageFile.ImageFile) -> None:
    """Correct or refuse what Pillow decodes wrongly. Called before loading, which discards the layout."""
    key = image.info.get("transparency")
    _, extents, _, layout = image.tile[0] if image.tile else (None,) * 4
    if key is not None and layout in ("L;2", "L;4"):
        image.info["transparency"] = key * (85 if layout == "L;2" else 17)  # Pillow scales the pixels to 8 bits
    if key is not None and layout == "RGB;16B":
        raise ValueError("a transparent colour of 16 bits; save it with an alpha channel")
    if key is None and image.format == "GIF" and extents != (0, 0, *image.size):
        raise ValueError("its first frame does not cover the whole picture; save that frame alone")
    if (image.mode == "I" and image.format != "PPM") or 2 in _tag(image, TiffImagePlugin.SAMPLEFORMAT, 1):
        raise ValueError("signed or 32-bit integers have no defined white; save it with 8 or 16 bits")


def _check_container(image: ImageFile.ImageFile, file: Path) -> None:
    """Take over or refuse the colours and channels that a newer format declares, and Pillow does not look at."""
    if image.format == "JPEG2000" and (profile := jp2_profile(file.read_bytes())):
        image.info["icc_profile"] = profile
    elif "icc_profile" in image.info:
        return
    elif image.format == "AVIF":
        check_avif(file.read_bytes())
    elif image.format == "HEIF":
        check_heif(image.info)


def _tag(image: ImageFile.ImageFile, tag: int, default: int) -> tuple[int, ...]:
    """The values of a TIFF tag, or the default."""
    value = getattr(image, "tag_v2", {}).get(tag, default)
    return value if isinstance(value, tuple) else (value,)


def _plain(image: ImageFile.ImageFile) -> Image.Image:
    """The loaded picture with 8 bits per sample and no palette, so that it can be resized."""
    if image.mode in ("F", "I") or image.mode.startswith("I;16"):
        return _grey(image)
    if image.mode == "RGBa":
        return image.convert("RGBA")
    if image.mode == "La":  # premultiplied grey: Pillow converts it to nothing else
        return image.convert("LA")
    if image.mode in ("1", "P", "PA") or "transparency" in image.info:
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    return image


def _grey(image: ImageFile.ImageFile) -> Image.Image:
    """A channel of more than 8 bits, scaled to 8; Pillow would clip it at 255."""
    values = np.asarray(image)
    grey = values.astype(np.float32)
    if image.mode != "F":
        grey /= 4095 if _tag(image, TiffImagePlugin.BITSPERSAMPLE, 16) == (12,) else 65535
    if not (grey.min() >= 0 and grey.max() <= 1):  # also true for NaN
        raise ValueError("floating-point values outside 0 to 1 have no defined white; save it with 8 or 16 bits")
    if _tag(image, TiffImagePlugin.PHOTOMETRIC_INTERPRETATION, 1) == (0,):
        np.subtract(1, grey, out=grey)
    plain = Image.fromarray(np.rint(grey * 255).astype(np.uint8))
    if (key := image.info.get("transparency")) is not None:
        plain.putalpha(Image.fromarray(values != key).convert("L"))
    plain.info = image.info
    return plain


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # a damaged EXIF block: viewers show such a picture as stored
        return image


def _on_white(image: Image.Image) -> Image.Image:
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else Image.new("L", image.size, 255)
    return Image.composite(_in_srgb(image), Image.new("RGB", image.size, "white"), alpha)


def _in_srgb(image: Image.Image) -> Image.Image:
    """The colours according to the ICC profile; one that is damaged or for other channels is ignored."""
    mode = {"LA": "L", "RGBA": "RGB", "YCbCr": "RGB"}.get(image.mode, image.mode)
    exact = ImageCms.Flags.NOOPTIMIZE  # otherwise the dark half of a grey profile is interpolated coarsely
    try:
        profile = ImageCms.ImageCmsProfile(BytesIO(image.info["icc_profile"]))
        into = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), mode, "RGB", flags=exact)
    except (KeyError, OSError, ImageCms.PyCMSError):
        return image.convert("RGB")
    return into.apply(image.convert(mode))
