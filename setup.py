"""Packs the records of ``results/`` into the wheel; everything else is in ``pyproject.toml``."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from setuptools import setup
from setuptools.command.build_py import build_py

_RUN = "*/*/" + 16 * "[0-9a-f]"
RECORDS = (f"{_RUN}.json", f"{_RUN}.webp", "reported/*.json")
"""Records, their film strips, and numbers of papers, below ``results/``."""


def pack(results: Path, archive: Path) -> None:
    """Write the archive of all records; the same records give the same bytes."""
    files = sorted({path for pattern in RECORDS for path in results.glob(pattern)})
    if not files:
        raise SystemExit(f"{results.resolve()} holds no records to ship; build from a whole checkout.")
    archive.parent.mkdir(parents=True, exist_ok=True)
    with ZipFile(archive, "w") as packed:
        for path in files:
            entry = ZipInfo(path.relative_to(results).as_posix())  # with a fixed date
            entry.compress_type, entry.create_system, entry.external_attr = ZIP_DEFLATED, 3, 0o644 << 16
            packed.writestr(entry, path.read_bytes(), compresslevel=9)


class BuildWithRecords(build_py):
    """Builds the package, then adds the archive; an editable installation reads ``results/`` itself."""

    def run(self) -> None:
        """Build."""
        super().run()
        if not self.editable_mode:
            pack(Path("results"), Path(self.build_lib) / "cpbench" / "results" / "baseline.zip")


setup(cmdclass={"build_py": BuildWithRecords})
