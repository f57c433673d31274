"""What units cost on this machine, measured in a few seconds for kinds of units that the store has none of.

Training is measured with the methods themselves: two tasks of a few updates each on copies of the model, whose ticks
give the seconds per update of every phase. The result is kept beside the store, so that it is measured once.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ..hashing import digest
from ..plain_json import parse_json, write_json
from ..plan.choices import Choice
from ..plan.costs import Costs
from ..plan.protocols import looked_at
from ..plan.survey import Untrained
from ..plan.units import Draw, Kind, Measure
from ..protocol import Inspectable, Method, Pictures, Prompt, Question, Task, Tick
from ..scoring.classifier import all_questions, questions
from ..scoring.scorer import StoredImages
from ..suite.concepts import subject_of, training_pictures
from .events import OnEvent, Preparing
from .opening import Opened
from .work.method import own_copy

PATIENCE = 20.0
"""Seconds that a measurement may take. What would take longer is estimated from a single prediction of the noise, and
methods for which no time is left are given the mean of the others."""
_UPDATES = 3
_TRAINING = 3  # a forward and a backward pass, in forward passes
_LONG = 2.0  # seconds; a later phase that would take longer is extrapolated from its first ticks
_FILE = "calibration.json"


class _Enough(Exception):
    """Raised when a phase has shown how long it takes."""


@dataclass
class _Clock:
    """Times the phases of one task: the first tick of a phase counts once, the others give its rate."""

    updates: int
    last: float = field(default_factory=time.perf_counter)
    phase: str = ""
    ticks: list[float] = field(default_factory=list)
    total: float = 0.0
    rest: float = 0.0

    def __call__(self, tick: Tick) -> None:
        """Count a tick; raises _Enough if the phase would take long and its rate is known."""
        now = time.perf_counter()
        if tick.phase != self.phase:
            self.phase, self.ticks = tick.phase, []
        self.ticks.append(now - self.last)
        self.total, self.last = self.total + now - self.last, now
        left = tick.steps - tick.step
        rate = float(np.mean(self.ticks[1:] or self.ticks))
        if tick.phase == "learn" and left == 0:
            self.rest += rate * tick.steps * (self.updates / _UPDATES - 1)
        elif tick.phase != "learn" and len(self.ticks) > _UPDATES and rate * left > _LONG:
            self.rest += rate * left
            raise _Enough

    @property
    def seconds(self) -> float:
        """The seconds that the whole task would take."""
        return self.total + time.perf_counter() - self.last + self.rest


def calibrated(
    session: Opened,
    methods: Sequence[Choice],
    left: Counter[Kind],
    known: Costs,
    on_event: OnEvent,
    patience: float = PATIENCE,
) -> Costs:
    """Costs, with those of kinds that the store has no units of measured on this machine, now or earlier."""
    alike = {kind for kind in known.seconds if kind[0] not in known.foreign}
    lacking = [kind for kind in left if left[kind] and kind not in alike and kind[0] != "Real"]
    lacking = [kind for kind in lacking if kind[0] == "Train" or (kind[0], "") not in alike]
    if not lacking:
        return known
    file = session.recipe.home / _FILE
    kept = _read(file)
    wanted = {_key(session, methods, kind): kind for kind in lacking}
    if fresh := {key: kind for key, kind in wanted.items() if key not in kept}:
        on_event(Preparing("measuring the speed of this machine"))
        try:
            kept |= _measured(session, methods, fresh, patience)
        except Exception:  # what fails here fails in a unit too, which reports it
            return known
        _write(file, kept)
    found = {kind: kept[key] for key, kind in wanted.items() if key in kept}
    return replace(known, seconds={**known.seconds, **found}, calibrated=True)


def _key(session: Opened, methods: Sequence[Choice], kind: Kind) -> str:
    """A hash of all that decides the cost of a kind of unit."""
    suite, made = session.suite, [session.runner.backbone.weights, session.recipe.dtype, dict(session.runner.made_on)]
    options = next((dict(m.options) for m in methods if m.name == kind[1]), {})
    sizes = [len(suite.concepts), suite.training.model_dump(), suite.sampling.model_dump()]
    return digest([kind, options, made, sizes, suite.evaluation.model_dump(), session.recipe.profile.name])


def _measured(
    session: Opened, methods: Sequence[Choice], wanted: Mapping[str, Kind], patience: float
) -> dict[str, float]:
    """Seconds per kind; methods that fail, or for which no time is left, are given the mean of the others."""
    found, training, begin, single = dict[str, float](), list[float](), time.perf_counter(), _prediction(session)
    if any(kind[0] != "Train" for kind in wanted.values()):
        try:
            others = _without_training(session, single, patience)
        except Exception:  # too few pictures for a metric, say: the unit that scores them reports it
            others = {}
        found |= {key: others[kind[0]] for key, kind in wanted.items() if kind[0] in others}
    for key, kind in wanted.items():
        method = next((m for m in methods if m.name == kind[1] and m.make), None)
        if method is not None and time.perf_counter() - begin < patience:
            try:
                found[key] = _training(session, method, single, patience)
            except Exception:  # a failing method is reported by the unit that runs it
                continue
            training.append(found[key])
    usual = float(np.mean(training)) if training else _update(session, single) * session.suite.training.steps
    return {key: usual for key, kind in wanted.items() if kind[0] == "Train"} | found


def _prediction(session: Opened) -> float:
    """Seconds to predict the noise of one picture; the better of two measurements, if the first was quick."""
    concept, seconds = session.suite.concepts[0], list[float]()
    pictures, backbone = training_pictures(session.suite, concept)[:1], session.runner.backbone
    middle = backbone.steps // 2
    question = Question(0, Prompt(session.suite.prompts.train, (subject_of(concept),)), middle, 0)
    while len(seconds) < 2 and sum(seconds) < 1:
        begin = time.perf_counter()
        backbone.explain(pictures, [question])
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


def _update(session: Opened, single: float) -> float:
    """Seconds per training update, from those of a single prediction."""
    return _TRAINING * session.suite.training.batch * single


def _training(session: Opened, method: Choice, single: float, patience: float) -> float:
    """Mean seconds per task of a method on the suite, from its first two tasks."""
    assert method.make is not None
    if 2 * _UPDATES * _update(session, single) > patience:
        return _update(session, single) * session.suite.training.steps
    seconds, learner = list[float](), method.make(own_copy(method.make, session.runner.backbone), 0)
    for number, concept in enumerate(session.suite.concepts[:2], 1):
        clock = _Clock(session.suite.training.steps)
        pictures, prompt = training_pictures(session.suite, concept), session.suite.prompts.train
        task = Task(number, subject_of(concept), pictures, prompt, _UPDATES, session.suite.training.batch, 0)
        seconds.append(_task(learner, task, clock))
    rest = len(session.suite.concepts) - 1
    return (seconds[0] + rest * seconds[-1]) / (1 + rest)


def _task(learner: Method, task: Task, clock: _Clock) -> float:
    try:
        learner.learn(task, clock)
        if isinstance(learner, Inspectable):
            learner.inspect(task, clock)
    except _Enough:
        pass
    return clock.seconds


def _drawn(session: Opened, prompts: Sequence[str], single: float, patience: float) -> tuple[float, Pictures]:
    """Seconds to draw one picture, and one per prompt; training pictures if drawing would take too long."""
    steps, n = 2 * session.suite.sampling.steps, len(prompts)  # each step predicts with and without the prompt
    if steps * n * single > patience:
        pictures = training_pictures(session.suite, session.suite.concepts[0])
        return steps * single, pictures[np.arange(n) % len(pictures)]
    begin = time.perf_counter()
    pictures = session.runner.backbone.sample(prompts, list(range(n)))
    return (time.perf_counter() - begin) / n, pictures


def _without_training(session: Opened, single: float, patience: float) -> dict[str, float]:
    """Mean seconds per unit that draws, scores or classifies, in one run of the base model."""
    suite = session.suite
    concept, cell = suite.concepts[0], len(suite.prompts.evaluation) * suite.evaluation.per_prompt
    n = min(suite.sampling.batch, cell)
    texts = [k % len(suite.prompts.evaluation) for k in range(n)]
    prompts = [suite.prompts.evaluation[k].format(concept.noun) for k in texts]
    draw, pictures = _drawn(session, prompts, single, patience)
    seconds = []
    for k in (0, 1):  # the first also computes the features of real pictures, which are cached
        begin = time.perf_counter()
        session.runner.scorer.rows((concept,), StoredImages(pictures ^ np.uint8(k), texts), None)
        seconds.append(time.perf_counter() - begin)
    (plan,) = session.plan([Untrained()], [tuple(range(len(suite.concepts)))], [0], "final")
    drawn = [u.pictures for u in plan.units() if isinstance(u, Draw)]
    measured = sum(isinstance(u, Measure) for u in plan.units())
    last = len(suite.concepts)  # the base model chooses among all, and methods read two forms of the prompts
    asked = [questions(last), *(all_questions(k, (False, True)) for k in looked_at("final", last))]
    first = max(0.0, seconds[0] - seconds[1]) * len(plan.ceilings) / max(1, measured)
    return {
        "Draw": draw * float(np.mean(drawn)),
        "Measure": first + seconds[1] / n * float(np.mean(drawn)),
        "Classify": draw / suite.sampling.steps / 2 * float(np.mean(asked)),
    }


def _read(file: Path) -> dict[str, float]:
    """What was measured earlier; nothing if the file is missing or damaged, since it can be measured again."""
    try:
        found = parse_json(file.read_text())
        return {str(k): float(v) for k, v in found.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _write(file: Path, found: Mapping[str, float]) -> None:
    """Keep what was measured; where that cannot be written, e.g. in a folder of another user, it is measured again."""
    with suppress(OSError):
        write_json(file, found, sort_keys=True)
