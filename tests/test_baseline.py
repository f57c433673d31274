"""The records that cpbench ships: a folder of a checkout, and one archive in the wheel."""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zipfile import ZipFile

import pytest

from cpbench.benchmark.errors import BadInput, Damaged
from cpbench.benchmark.storage.baseline import baseline, unpacked

ROOT = Path(__file__).parent.parent
FILES = {"toybox-2/lora/a.json": "{}", "toybox-2/lora/a.webp": "picture", "toybox-6/ti/b.json": "{}"}


def pack(path, files=FILES):
    with ZipFile(path, "w") as packed:
        for name, text in files.items():
            packed.writestr(name, text)
    return path


def content(folder):
    return {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*") if p.is_file()}


def test_a_checkout_ships_its_committed_records():
    assert baseline() == ROOT / "results"


def test_an_archive_is_unpacked_once(tmp_path):
    archive = pack(tmp_path / "baseline.zip")
    folder = unpacked(archive, tmp_path)
    assert folder.parent == tmp_path and content(folder) == FILES
    made = folder.stat().st_ino
    assert unpacked(archive, tmp_path) == folder and folder.stat().st_ino == made
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([archive.name, folder.name])


def test_another_archive_gets_another_folder(tmp_path):
    folders = [unpacked(pack(tmp_path / f"{k}.zip", FILES | {"x/y/z.json": str(k)}), tmp_path) for k in range(2)]
    assert folders[0] != folders[1] and all(folder.is_dir() for folder in folders)


@pytest.mark.parametrize("harm", [lambda path: path.unlink(), lambda path: path.write_text("")], ids=["lost", "cut"])
def test_a_file_that_is_lost_or_cut_is_unpacked_again(tmp_path, harm):
    archive = pack(tmp_path / "baseline.zip")
    harm(unpacked(archive, tmp_path) / "toybox-2/lora/a.json")
    assert content(unpacked(archive, tmp_path)) == FILES


def test_processes_that_unpack_at_the_same_time_agree(tmp_path):
    archive = pack(tmp_path / "baseline.zip", {f"suite/method/{k}.json": str(k) for k in range(200)})
    with ThreadPoolExecutor(8) as pool:
        folders = set(pool.map(lambda _: unpacked(archive, tmp_path), range(8)))
    (folder,) = folders
    assert len(content(folder)) == 200 and not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("name", ["../out.json", "a/../../out.json", "/out.json", "C:\\out.json", "..\\out.json"])
def test_no_path_leaves_the_folder(tmp_path, name):
    below = tmp_path / "home"
    below.mkdir()
    with pytest.raises(Damaged, match="outside of its folder"):
        unpacked(pack(tmp_path / "baseline.zip", FILES | {name: "evil"}), below)
    assert list(below.iterdir()) == [] and not (tmp_path / "out.json").exists()


def test_a_damaged_archive_is_named_and_leaves_nothing(tmp_path):
    archive = pack(tmp_path / "baseline.zip")
    archive.write_bytes(archive.read_bytes()[:-30])
    with pytest.raises(Damaged, match=r"baseline\.zip is damaged .* reinstall cpbench"):
        unpacked(archive, tmp_path)
    assert list(tmp_path.iterdir()) == [archive]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of a copy of the tree, unpacked as pip does; the size of the wheel."""
    pytest.importorskip("build")
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__", "runs"))
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder / "dist", tree]
    subprocess.run(command, check=True, capture_output=True)
    (made,) = (folder / "dist").glob("*.whl")
    with ZipFile(made) as packed:
        packed.extractall(folder / "site")
    return folder / "site", made.stat().st_size


@pytest.mark.slow
def test_the_wheel_has_all_records_in_one_small_archive_and_what_is_plain_beside_it(wheel, tmp_path, show):
    site, size = wheel
    shipped = site / "cpbench" / "results"
    folder = unpacked(shipped / "baseline.zip", tmp_path)
    kept = [*(ROOT / "results").glob("*/*/*.json"), *(ROOT / "results").glob("*/*/*.webp")]
    paths = {p.relative_to(ROOT / "results") for p in kept}
    assert {p.relative_to(folder) for p in folder.rglob("*") if p.is_file()} == paths
    assert all((folder / p).read_bytes() == (ROOT / "results" / p).read_bytes() for p in paths)
    plain = {p.relative_to(shipped).as_posix() for p in shipped.rglob("*.json")}
    kept = {*(ROOT / "results").glob("schema-*.json"), *(ROOT / "results").glob("fingerprints/*.json")}
    assert plain == {p.relative_to(ROOT / "results").as_posix() for p in kept}
    archive = (shipped / "baseline.zip").stat().st_size
    show(f"wheel {size / 1e6:.1f} MB, of which records {archive / 1e6:.1f} MB")
    assert archive < 5e6


@pytest.mark.slow
def test_the_archive_of_the_same_records_has_the_same_bytes(wheel, tmp_path):
    command = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", tmp_path]
    subprocess.run(command, check=True, capture_output=True, cwd=wheel[0].parent / "tree")
    first, second = (folder / "cpbench" / "results" / "baseline.zip" for folder in (wheel[0], tmp_path))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.slow
def test_the_wheel_alone_reports_and_lists_the_shipped_runs(wheel, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(wheel[0]), "CPBENCH_HOME": str(tmp_path / "home")}
    (tmp_path / "empty").mkdir()

    def cpbench(*arguments):
        command = [sys.executable, "-m", "cpbench", *arguments]
        return subprocess.run(
            command, check=True, capture_output=True, text=True, cwd=tmp_path / "empty", env=environment
        ).stdout

    shipped = list((ROOT / "results").glob("toybox-*/*/*.json"))
    assert len(json.loads(cpbench("list", "runs", "--json"))) == len(shipped) > 0
    cpbench("report", "--only", "tables")
    made = (tmp_path / "empty" / "report" / "leaderboard.md").read_text()
    assert made == (ROOT / "docs" / "leaderboard" / "leaderboard.md").read_text()


def test_what_an_installed_package_ships_is_never_replaced(monkeypatch):
    from cpbench.benchmark.verbs import check, fingerprints

    for module in (check, fingerprints):
        monkeypatch.setattr(module, "packed", lambda: True)
    with pytest.raises(BadInput, match="--against"):
        check.check("lora", update="a reason")
    with pytest.raises(BadInput, match="a folder of your own"):
        fingerprints.fingerprints("lora", update="a reason")
