"""What makes ``cpbench --help`` answer at once: it imports none of the heavy libraries. Its time is printed."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

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


def test_the_time_of_help_is_printed(show):
    script, times = Path(sys.executable).parent / "cpbench", []
    for _ in range(3):
        begin = time.perf_counter()
        done = subprocess.run([script, "--help"], capture_output=True, text=True, check=True)
        times.append(time.perf_counter() - begin)
    show(f"cpbench --help: {min(times):.2f} s, the best of 3")
    assert "Usage" in done.stdout
