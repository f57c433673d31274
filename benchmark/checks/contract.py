"""What the calls of a method may return: checked where its values cross into the benchmark, in a run and in tests."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..owners import Owner, calling, refused
from ..protocol import Explaining, Inspectable, Method, Pictures, Prompt, Question, Task, Tick, Watch, sharing

MEMBERS = ("learn", "generate", "save", "load", "trainable")
_OLD_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # how torch.save began before it wrote zip archives
_FIGURES = "return a dict of finite numbers by name"


@dataclass(frozen=True)
class CheckedFactory:
    """A factory whose methods are checked at every call; ``size``: the side of the pictures that they draw."""

    make: Callable[[Any, int], Method]
    owner: Owner
    size: int

    @property
    def shares_weights(self) -> bool:
        """Whether its methods may share the tensors of the model: what is checked is what would be made without it."""
        return sharing(self.make)

    def __call__(self, backbone: Any, seed: int) -> Checked:
        """A new method; raises Faulty if that fails, or if it lacks a member."""
        with calling(self.owner, "the factory"):
            method = self.make(backbone, seed)
        if lacking := [name for name in MEMBERS if not callable(getattr(method, name, None))]:
            wrong = f"returned {shown(method)}, which has no {' and no '.join(f'{name}()' for name in lacking)}"
            raise refused(self.owner, "the factory", self.make, wrong, f"return an object with {', '.join(MEMBERS)}")
        return Checked(method, self.owner, self.size)


class Checked:
    """A method that raises Faulty, with one sentence, for whatever its own calls raise or wrongly return."""

    def __init__(self, method: Method, owner: Owner, size: int) -> None:
        self.method, self.owner, self.size = method, owner, size
        self.scales = getattr(method, "scales", False)
        if isinstance(method, Inspectable):  # members of the object: offered only by methods that offer them
            self.inspect = self._inspect
        if isinstance(method, Explaining):
            self.explain = self._explain

    def learn(self, task: Task, watch: Watch) -> dict[str, float]:
        """The figures of the method's own ``learn``, all of them finite."""
        return _plain(self._call("learn", _FIGURES, wrong_figures, task, ticking(watch)))

    def generate(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> Pictures:
        """The method's pictures: uint8 (n, size, size, 3)."""
        shape = (len(prompts), self.size, self.size, 3)
        asked = f"return a numpy array of uint8 of shape {shape} for {len(prompts)} prompts"
        found: Pictures = self._call("generate", asked, lambda x: wrong_pictures(x, shape), prompts, seeds)
        return found

    def save(self, folder: Path) -> None:
        """Let the method save; what it wrote are plain files, and some if it trains anything."""
        asked = "write what it has learned as plain files, e.g. safetensors or JSON, without pickled objects"
        nothing = self.trainable() > 0
        self._call("save", asked, lambda _: wrong_files(folder, empty=not nothing), folder)

    def load(self, folder: Path) -> None:
        """Let the method load."""
        self._call("load", "", lambda _: None, folder)

    def trainable(self) -> int:
        """The method's number of trained parameters."""
        return int(self._call("trainable", "return an int of at least 0", wrong_count))

    def _inspect(self, task: Task, watch: Watch) -> dict[str, float]:
        return _plain(self._call("inspect", _FIGURES, wrong_figures, task, ticking(watch)))

    def _explain(self, pictures: Pictures, questions: Sequence[Question]) -> NDArray[np.float64]:
        n = len(questions)
        asked = f"return a numpy array of {n} finite numbers for {n} questions"
        found: NDArray[np.float64] = self._call("explain", asked, lambda x: wrong_errors(x, n), pictures, questions)
        return found

    def _call(self, name: str, asked: str, wrong: Callable[[Any], str | None], *given: Any) -> Any:
        function = getattr(self.method, name)
        with calling(self.owner, name):
            found = function(*given)
        if fault := wrong(found):
            raise refused(self.owner, name, function, fault, asked)
        return found


def ticking(watch: Watch) -> Watch:
    """A progress callback that raises TypeError, to its caller, for what is no progress."""

    def checked(tick: Tick) -> None:
        if fault := wrong_tick(tick):
            raise TypeError(f"watch {fault}; give it a Tick with a phase, step, steps and the loss, if there is one")
        watch(tick)

    return checked


# --- pure functions: each returns what is wrong, or None ------------------------------------------------------------


def wrong_tick(tick: Any) -> str | None:
    """Progress is a Tick with 0 ≤ step ≤ steps; its loss is a number (NaN, too, is shown) or None."""
    if not isinstance(tick, Tick):
        return f"was called with {shown(tick)}"
    if not isinstance(tick.phase, str) or not tick.phase:
        return f"was called with the phase {shown(tick.phase)}"
    if not (_whole(tick.step) and _whole(tick.steps) and 0 <= tick.step <= tick.steps):
        return f"was called with step {shown(tick.step)} of {shown(tick.steps)}"
    return None if tick.loss is None or _number(tick.loss) else f"was called with the loss {shown(tick.loss)}"


def wrong_figures(found: Any) -> str | None:
    """Figures are a dict of finite numbers by name."""
    if not isinstance(found, dict):
        return f"returned {shown(found)}"
    for name, value in found.items():
        if not isinstance(name, str):
            return f"returned a figure whose name is {shown(name)}"
        if not _number(value) or not math.isfinite(value):
            return f"returned the figure '{name}' = {shown(value)}"
    return None


def wrong_pictures(found: Any, shape: tuple[int, ...]) -> str | None:
    """Pictures are an array of uint8 with one picture per prompt, of the size of the suite."""
    if not isinstance(found, np.ndarray):
        return f"returned {shown(found)}"
    return None if found.dtype == np.uint8 and found.shape == shape else f"returned {shown(found)}"


def wrong_errors(found: Any, n: int) -> str | None:
    """Noise errors are one finite number per question."""
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "fiu" or found.shape != (n,):
        return f"returned {shown(found)}"
    if bad := int((~np.isfinite(found)).sum()):
        return f"returned {bad} of {n} numbers that are not finite"
    return None


def wrong_count(found: Any) -> str | None:
    """A count is a whole number of at least 0."""
    return None if _whole(found) and found >= 0 else f"returned {shown(found)}"


def wrong_files(folder: Path, *, empty: bool = True) -> str | None:
    """A state is made of plain files below its folder: no links, no pickled objects; none at all only if ``empty``."""
    files = sorted(path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    for file in files:
        name = file.relative_to(folder)
        if file.is_symlink() or not file.is_file():
            return f"wrote {name}, which is no plain file"
        if pickled(file):
            return f"wrote {name}, which holds pickled objects"
    return None if files or empty else "wrote no file"


def pickled(file: Path) -> bool:
    """Whether a file holds pickled objects: a pickle, what torch.save writes, or an array of objects of numpy."""
    with file.open("rb") as stream:
        begin = stream.read(128)
        stream.seek(max(0, file.stat().st_size - 1))
        end = stream.read()
    if file.suffix in (".pkl", ".pickle") or begin.startswith(_OLD_TORCH):
        return True
    if begin[:1] == b"\x80" and 2 <= begin[1] <= 5 and begin[2:3] != b"\0" and end == b".":  # \0: safetensors' length
        return True
    if begin[:6] == b"\x93NUMPY":
        return b"'|O'" in begin
    if begin[:2] == b"PK" and zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            return any(Path(name).suffix == ".pkl" for name in archive.namelist())
    return False


def shown(value: Any) -> str:
    """A value in a few words: an array by its type and shape, anything else by its text and type."""
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} of shape {value.shape}"
    if value is None:
        return "None"
    shape, kind = getattr(value, "shape", None), type(value).__name__
    if isinstance(shape, tuple) and shape:
        return f"a {kind} of shape {tuple(shape)}"
    try:
        text = " ".join(repr(value).split())
    except Exception:  # an object of another package may not even have a text
        return f"a {kind}"
    return f"{text if len(text) <= 60 else f'{text[:60]}…'} ({kind})"


def _plain(figures: dict[str, Any]) -> dict[str, float]:
    """Figures whose numbers can be written as JSON; a float is itself."""
    return {name: value if isinstance(value, int | float) else float(value) for name, value in figures.items()}


def _number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_)


def _whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)
