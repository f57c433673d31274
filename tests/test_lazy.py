"""Packages that are loaded when they are first used: whoever imports them finds what they hold, at that time."""

import subprocess
import sys

import pytest

START = """
import sys
import cpbench.benchmark
from cpbench.benchmark.lazy import UNHURRIED
def loaded():
    return {name for name in UNHURRIED if name in sys.modules and type(sys.modules[name]).__name__ != "_Lazy"}
"""


def lines(code):
    """What a program prints that starts with cpbench."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", START + code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def trained():
    """The packages that are loaded after the model was loaded, trained and drawn with, and then used."""
    return lines("""
from cpbench.benchmark.models.loading import load_backbone
from cpbench.benchmark.suite.spec import Sampling
from cpbench.methods.registry import choose
import torch, torchvision.ops, torch._dynamo
backbone = load_backbone("tiny", Sampling(sampler="dpm++", steps=2, guidance=2.0, batch=2, size=64))
method = choose("dsc", {})[0].make(backbone.copy(), 0)
optimiser = torch.optim.AdamW([torch.nn.Parameter(torch.ones(2))])
optimiser.zero_grad()
optimiser.step()
backbone.sample(["a cat"], [0])
print(sorted(loaded()))
calls = []
@torch.compiler.disable
def left_alone(x):
    calls.append(torch.compiler.is_compiling())
    return x + 1
print(left_alone(1), calls, sorted(loaded()))
def doubled(x):
    return left_alone(2 * x)
print(torch.compile(doubled, backend="eager")(torch.ones(1)).item(), calls)
print(sorted(loaded()), torch._dynamo is sys.modules["torch._dynamo"], type(torch._dynamo.utils).__name__)
from torchvision.ops.roi_align import is_compile_supported
print(type(is_compile_supported("cpu")).__name__)
from transformers.loss.loss_for_object_detection import linear_sum_assignment
print([side.tolist() for side in linear_sum_assignment([[1, 0], [0, 1]])])
""")


def test_a_model_is_loaded_trained_and_drawn_with_without_compiler_and_statistics(trained):
    assert trained[0] == "[]"


def test_a_function_that_is_left_out_of_compilation_runs_without_a_compiler(trained):
    assert trained[1] == "2 [False] []"


def test_what_was_left_out_before_the_compiler_was_loaded_is_left_out_by_it(trained):
    assert trained[2] == "3.0 [False, False]"


def test_the_compiler_is_one_module_with_its_submodules_however_it_was_reached(trained):
    assert trained[3] == "['torch._dynamo', 'torch._dynamo.utils'] True module"


def test_functions_that_others_imported_before_they_were_loaded_are_the_real_ones(trained):
    assert trained[4:] == ["bool", "[[0, 1], [1, 0]]"]


def test_a_name_that_is_imported_loads_its_package():
    assert lines("""
import scipy.stats
print(sorted(loaded()), hasattr(scipy.stats, "__wrapped__"), sorted(loaded()))
from scipy.stats import norm, qmc
print(norm.ppf(0.5), qmc.__name__, "scipy.stats" in loaded())
""") == ["[] False []", "0.0 scipy.stats.qmc True"]


def test_a_name_that_no_package_has_is_missing():
    assert lines("""
import scipy.stats
try:
    scipy.stats.nothing
except AttributeError as error:
    print(error)
""") == ["module 'scipy.stats' has no attribute 'nothing'"]
