"""Members in folders of pictures: formats, names, things that are no pictures, one picture twice."""

import io

from fuzz.members import Member, either, refused, right
from fuzz.members_specs import pictures, planned, write
from fuzz.sandbox import Outcome
from fuzz.specs import REX
from PIL import Image, ImageDraw

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)
JXL = b"\0\0\0\x0cJXL \x0d\x0a\x87\x0a" + bytes(200)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'


def drawn(kind="PNG", mode="RGB", side=(80, 70), **options):
    """The bytes of a picture unlike the others."""
    picture = Image.new("RGB", side, (250, 240, 90))
    ImageDraw.Draw(picture).ellipse((5, 5, 60, 60), fill=(20, 60, 200))
    file = io.BytesIO()
    picture.convert(mode).save(file, kind, **options)
    return file.getvalue()


def placed(box, name, content):
    """The suite whose first concept has a folder of three pictures and one more file."""
    path = write(box, {"concepts.0": REX})
    pictures(box.input / "rex")
    file = box.input / "rex" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return path


def count(path):
    """How many pictures the concept has, as the output of a command."""
    from cpbench.benchmark.errors import CpbenchError
    from cpbench.benchmark.suite.concepts import check_suite, reference_pictures
    from cpbench.benchmark.suite.spec import load_suite

    try:
        suite = load_suite(str(path))
        check_suite(suite)
        return Outcome(0, str(len(reference_pictures(suite, suite.concepts[0]))), "")
    except CpbenchError as error:
        return Outcome(error.status, "", f"cpbench: {error}\n")


def counted(n):
    """A check: so many pictures were read."""
    return right(lambda box, outcome: None if outcome.out == str(n) else f"{outcome.out} pictures read, of {n}")


def picture(name, content, check, label=None):
    """A member: one more file in the folder."""
    return Member(6, label or name, lambda box: count(placed(box, name, content)), check)


def other(name, content):
    """A member: a file that is no picture is refused, or passed over with a warning that names it."""
    act = lambda box: planned(box, placed(box, name, content))  # noqa: E731
    return Member(6, name, act, either(name.replace(".", r"\.")))


def read_or(pattern):
    """A check: the picture is among those read, or the refusal has this pattern."""

    def check(box, outcome):
        return counted(4)(box, outcome) if outcome.status == 0 else refused(pattern)(box, outcome)

    return check


READ = [
    picture(name, drawn(kind), counted(4))
    for name, kind in (
        ("a.jfif", "JPEG"),
        ("a.jpe", "JPEG"),
        ("a.jpg_large", "JPEG"),
        ("noextension", "PNG"),
        ("x.jpg?w=512", "JPEG"),
        ("UPPER.PNG", "PNG"),
        ("wrong-suffix.png", "JPEG"),
        ("picture.txt", "PNG"),
        ("[red].png", "PNG"),
        ("two words.tiff", "TIFF"),
        ("ünï.webp", "WEBP"),
    )
] + [
    picture("a.mpo", drawn("MPO"), read_or(r"a\.mpo")),
    picture("a.jp2", drawn("JPEG2000"), read_or(r"a\.jp2")),
    picture("a.avif", drawn("AVIF"), read_or(r"a\.avif")),
    picture("a.ico", drawn("ICO", "RGBA"), read_or(r"a\.ico")),
    picture("a.tga", drawn("TGA"), read_or(r"a\.tga")),
    picture("a.ppm", drawn("PPM"), read_or(r"a\.ppm")),
    picture("new\nline.png", drawn(), read_or("new.*line")),
    picture("sub/a.png", drawn(), read_or("sub")),
    picture("sub/deep/a.png", drawn(), read_or("sub")),
]
NAMED = [
    picture("a.heic", HEIC, refused(r"a\.heic.*pillow-heif|pillow-heif.*a\.heic")),
    picture("a.png", HEIC, refused(r"a\.png"), "HEIC named .png"),
    picture("a.jxl", JXL, refused(r"a\.jxl")),
    picture("a.jxl", JXL[4:8] + bytes(90), refused(r"a\.jxl"), "damaged .jxl"),
    picture("a.svg", SVG, refused(r"a\.svg")),
    other("a.pdf", drawn("PDF")),
    picture("a.eps", drawn("EPS"), refused(r"a\.eps")),
    picture("empty.png", b"", refused(r"empty\.png")),
    picture("a.png", drawn()[:-40], refused(r"a\.png"), "cut .png"),
    picture("a.jpg", drawn("JPEG")[:-300], refused(r"a\.jpg"), "cut .jpg"),
    picture("a.crdownload", drawn("JPEG")[:300], refused(r"a\.crdownload")),
    other("clip.mp4", b"\0\0\0\x18ftypmp42" + bytes(99)),
    other("photos.zip", b"PK\x03\x04" + bytes(99)),
    picture("page.jpg", b"<!DOCTYPE html><html>404</html>", refused(r"page\.jpg"), "a page of HTML named .jpg"),
]
SYSTEM = [
    picture(name, content, counted(3))
    for name, content in (
        ("Thumbs.db", b"\xd0\xcf\x11\xe0" + bytes(99)),
        (".DS_Store", b"\0\0\0\1Bud1" + bytes(99)),
        ("desktop.ini", b"[.ShellClassInfo]\r\n"),
        ("._a.png", b"\0\5\x16\7" + bytes(99)),
    )
]


def _again(make):
    def act(box):
        path = write(box, {"concepts.0": REX})
        make(box.input / "rex")
        return planned(box, path)

    return act


def _same(folder):
    (folder / "copy.png").write_bytes((folder / "0.png").read_bytes())


def _reencoded(folder):
    Image.open(folder / "0.png").save(folder / "copy.bmp")


def _compressed(folder):
    (folder / "1.png").unlink()
    for k, quality in enumerate((95, 85)):
        (folder / f"photo-{k}.jpg").write_bytes(drawn("JPEG", quality=quality))


def _one(folder):
    for name in ("1.png", "2.png"):
        (folder / name).unlink()


def _none(folder):
    _one(folder)
    (folder / "0.png").unlink()


def _deep(folder):
    (folder / "a.png").mkdir()


def _broken(folder):
    (folder / "a.png").symlink_to("nowhere.png")


def _link_out(folder):
    (folder / "a.png").symlink_to("/etc/hostname")


def _huge(folder):
    (folder / "a.png").write_bytes(drawn("PNG", "1", side=(12_000, 12_000)))


TWICE = [
    Member(5, "one picture twice in a folder", _again(_same), either(r"copy\.png|twice|same|alike")),
    Member(5, "one picture twice, in two formats", _again(_reencoded), either(r"copy\.bmp|twice|same|alike")),
    Member(5, "near-duplicate pictures", _again(_compressed), either(r"photo-|twice|same|alike")),
    Member(6, "a folder of one picture", _again(_one), refused("1 picture")),
    Member(6, "a folder without pictures", _again(_none), refused("rex.*no pictures|no picture")),
    Member(6, "a folder named a.png", _again(_deep), either("a.png|classify")),
    Member(6, "a broken link", _again(_broken), refused(r"a\.png")),
    Member(6, "a link out of the folder", _again(_link_out), refused(r"a\.png")),
    Member(6, "more than 89 million pixels", _again(_huge), refused(r"a\.png.*pixels")),
]
MEMBERS = READ + NAMED + SYSTEM + TWICE
