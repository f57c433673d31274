"""What commands import: help none of the heavy libraries, and what computes nothing, no torch. Times are printed."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cpbench.benchmark.toybox import shipped
from cpbench.benchmark.verbs.doctor import checks

SHIPPED = Path(__file__).parent.parent / "results"
HEAVY = ("torch", "diffusers", "transformers", "timm", "pandas", "scipy", "numpy", "matplotlib", "PIL")
CODE = """
import sys
from cpbench.benchmark.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit:
    print("imported:", *{name.partition(".")[0] for name in sys.modules}, file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", [("--help",), ("run", "--help"), ("list", "--help")], ids=" ".join)
def test_help_imports_none_of_the_heavy_libraries(arguments):
    command = [sys.executable, "-c", CODE, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    imported = done.stderr.rpartition("imported:")[2].split()
    assert "cpbench" in imported and not set(HEAVY).intersection(imported)


LISTS = ("methods", "options", "suites", "backbones", "profiles", "metrics", "runs")
MODELS = ("torch", "torchvision", "diffusers", "transformers", "peft", "timm", "torchmetrics", "open_clip", "sklearn")
RUNS = [file.stem for file in sorted((SHIPPED / "toybox-6" / "lora").glob("*.json"))[:2]]
LIGHT = [
    *(("list", name) for name in LISTS),
    ("show", RUNS[0]),
    ("diff", *RUNS),
    ("compare", "lora", "dsc"),
    ("validate", str(SHIPPED / "toybox-2" / "lora")),
    ("report", "--only", "tables", "--quiet"),
    ("doctor", "--quick"),
]


@pytest.mark.parametrize("arguments", LIGHT, ids=lambda arguments: " ".join(arguments[:2]))
def test_what_computes_nothing_loads_no_torch_and_no_statistics(arguments, tmp_path):
    code = CODE.replace('{name.partition(".")[0] for name in sys.modules}', "sys.modules")
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=tmp_path)
    imported = set(done.stderr.rpartition("imported:")[2].split())
    assert "cpbench" in imported and done.stdout, done.stderr
    assert not {*MODELS, "pandas", "scipy.stats"} & imported


def test_the_quick_doctor_finds_the_same_as_the_whole_one():
    found = {row.what: row for row in checks()}
    quick = {row.what: row for row in checks(quick=True)}
    assert found.keys() - quick.keys() == {"device"}
    assert all(row == found[what] for what, row in quick.items() if what != "store")


def test_the_quick_doctor_finds_a_damaged_model(tmp_path, monkeypatch):
    shutil.copytree(shipped.weights_folder(), tmp_path / "weights")
    (tmp_path / "weights" / "clip.safetensors").write_bytes(b"other")
    (tmp_path / "weights" / "unet.safetensors").unlink()
    monkeypatch.setattr(shipped, "weights_folder", lambda: tmp_path / "weights")
    bad = {row.what: row.found for row in checks(quick=True) if not row.good}
    assert "unet.safetensors is missing" in bad["toybox model"] and "does not match" in bad["features"]


def test_the_time_of_help_is_printed(show):
    script, times = Path(sys.executable).parent / "cpbench", []
    for _ in range(3):
        begin = time.perf_counter()
        done = subprocess.run([script, "--help"], capture_output=True, text=True, check=True)
        times.append(time.perf_counter() - begin)
    show(f"cpbench --help: {min(times):.2f} s, the best of 3")
    assert "Usage" in done.stdout
