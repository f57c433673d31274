"""The fingerprints of metrics and of scoring: every metric on fixed features, and whole records of a fixed method."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..models.extractors import EXTRACTORS, Preparation
from ..plan.units import gather
from ..protocol import unwatched
from ..run.features import features_of
from ..run.recorder import Recorder
from ..run.runner import Runner
from ..scoring import classifier, functional, lpips
from ..scoring.metrics import METRICS, Cell, rows
from ..scoring.profiles import PROFILES, Profile
from ..scoring.scorer import Scorer
from ..storage.store import Store
from .models import model_of, planner_of, suite_of
from .pattern import Chosen, Texts, pooled, rough_pictures
from .quantities import Book, Floats, normal, uniform

_D = 6


def write_metrics(book: Book) -> None:
    """Write down every metric of every profile on fixed cells, and the functions that they are made of."""
    for profile in PROFILES.values():
        book.text(
            f"{profile.name}/metrics", [*profile.metrics, profile.extractor, profile.aligner, profile.autoencoded]
        )
        for kind, cell in _cells():
            for name in (m for m in METRICS if m != "lpips_diversity"):  # its network is not in the wheel
                with book.at(f"{profile.name}/{kind}/{name}"):
                    _rows(name, cell, profile, book)
    _functions(book)
    _classifier(book)
    _preparation(book)


def _rows(name: str, cell: Cell, profile: Profile, book: Book) -> None:
    for row in rows(name, cell, profile):
        place = "" if row["prompt"] is None else f"prompt {row['prompt']}/"
        book.text(f"{place}counted", [row["n"], row["higher_is_better"]])
        book.numbers(f"{place}value", row["value"])
        if row["se"] is not None:
            book.numbers(f"{place}error", row["se"])


def _features(n: int, seed: int, shift: float = 0.0) -> Floats:
    return normal((n, _D), seed) + np.linspace(1.0, 2.0, _D) + shift * np.linspace(1.0, -1.0, _D)


def _cells() -> Iterator[tuple[str, Cell]]:
    """One cell of each kind: of eight drawn pictures of four prompts, or of real pictures."""
    pictures = np.round((uniform((8, 8, 8, 3), 1) + 2) * 60).astype(np.uint8)
    prompts = np.repeat(np.arange(4), 2)
    real, training = _features(10, 2, 0.5), _features(3, 3, 0.5)
    drawn = np.concatenate([_features(5, 4, 0.3), training + 0.01 * normal((3, _D), 5)])
    rivals = tuple(_features(10, 6 + k, s) for k, s in enumerate((-0.5, 0.0, 1.0)))
    concept = Cell("concept", pictures, prompts, drawn, real, rivals, (real,), training)
    aligned = replace(concept, before=_features(8, 10, 0.6), embedded=_features(8, 11), texts=normal((8, _D), 12) + 0.3)
    yield "concept", aligned
    yield "real", replace(concept, prompts=None, drawn=real, pictures=pictures.repeat(2, 0)[:10], same=True)
    yield "held out", replace(concept, prompts=None, drawn=_features(8, 13, 0.45))
    each = real, _features(10, 14, -0.2)
    kinds = {"right": (real,), "twice": rivals[:1], "swapped": rivals[1:2], "missing": each[1:], "other": rivals[2:]}
    nouns = {"both": (real,), "fewer": rivals}
    yield "pair", replace(concept, kind="pair", each=each, training=None, outcomes=kinds, nouns=nouns)
    yield "prior", Cell("prior", pictures, prompts, drawn, before=_features(8, 15, 0.1))


def _functions(book: Book) -> None:
    x, y = _features(12, 20), _features(12, 21, 0.4)
    labels = np.repeat(np.arange(3), 4)
    with book.at("functions"):
        for name in ("mmd", "kid", "drift_mmd", "drift_kid", "frechet"):
            book.numbers(name, getattr(functional, name)(x, y))
        book.numbers("image_align", *functional.image_align(x, y))
        book.numbers("image_align of the same", *functional.image_align(x, x, same=True))
        book.numbers("text_align", *functional.text_align(x, y))
        book.numbers("diversity", *functional.diversity(x, labels))
        book.numbers("copying", *functional.copying(np.concatenate([x[:4], y[:4] * 1.01]), y[:4], y, 0.2))
        for few in (3, 12):
            means, white = functional.discriminant([x[:few], y[:few], _features(few, 22, 0.8)])
            book.vector(f"means of {few}", means)
            book.vector(f"whitened by {few}", white(x))
        of = np.repeat(np.arange(2), 2)
        book.numbers(
            "lpips_diversity", *lpips.lpips_diversity(_stripes(), of, lambda a, b: (a - b).abs().mean((1, 2, 3)))
        )


def _stripes() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.round((uniform((4, 8, 8, 3), 23) + 2) * 60).astype(np.uint8)


def _classifier(book: Book) -> None:
    with book.at("classifier"):
        book.text("timesteps", classifier.timesteps())
        book.text("sizes", [classifier.ROUNDS, classifier.TRIALS, classifier.PICTURES])
        asked: list[str] = []

        def explain(pictures: object, questions: object) -> Floats:
            found = [(q.picture, q.prompt, q.t, q.seed) for q in questions]  # type: ignore[attr-defined]
            asked.append(" ".join(map(str, found)))
            return np.array([uniform((1,), 100 * p + 10 * int(c) + t)[0] + 2 for p, c, t, _ in found])

        found, errors = classifier.classify(explain, np.zeros((6, 1, 1, 3), np.uint8), ["0", "1", "2", "3", "4"])  # type: ignore[list-item]
        book.text("found", found.tolist())
        book.text("asked", asked)
        book.numbers("log odds", *classifier.log_odds(errors, [0, 0, 1, 2, 3, 4]))
        book.text("confusion", classifier.confusion([0, 0, 1, 2, 3, 4], found, 5).tolist())


def _preparation(book: Book) -> None:
    """What extractors do to a picture before their networks see it."""
    picture = np.round((uniform((1, 12, 12, 3), 30) + 2) * 60).astype(np.uint8).repeat(8, 1).repeat(8, 2)
    for name, prepare in (
        ("crop", Preparation(80, 64, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))),
        ("plain", Preparation(64, 64, (0, 0, 0), (1, 1, 1))),
    ):
        book.vector(f"preparation/{name}", prepare(picture[:, :, 16:]))
    book.text("extractors", sorted(EXTRACTORS))
    features = pooled()(_stripes().repeat(8, 1).repeat(8, 2).repeat(3, 0)[:9])
    book.vector("extracted in batches", features)


def write_scoring(book: Book) -> None:
    """Write down whole records, made as for any method, of a method and an extractor that do not round."""
    suite = suite_of("tiny", evaluation={"per_prompt": 2, "references": 6})
    plain = replace(PROFILES["toybox"], extractor="pooled", aligner="texts")
    for name, protocol, profile, order in (
        ("full", "full", plain, (2, 0, 1)),
        ("final", "final", replace(plain, autoencoded=False, align_scale=100.0, positive=True), (0, 1, 2)),
    ):
        with book.at(name), tempfile.TemporaryDirectory() as folder:
            model, store = model_of("tiny", suite.sampling), Store(Path(folder) / "units", lambda text: None)
            model.sample = rough_pictures  # type: ignore[method-assign]  # the model's own would be rounded
            features = features_of(pooled(), model, Path(folder) / "features", profile, "")
            runner = Runner(suite, store, model, Scorer(suite, profile, {"pooled": features}, ("pooled", Texts())))
            plan = planner_of(suite, protocol, profile).run(Chosen(), order, seed=3)
            for unit in gather([plan]).values():
                runner.do(unit, unwatched)
            for train in plan.trains:
                book.numbers(f"task {train.number}/seed", store.meta(train.key)["measured"]["figures"]["seed"])
            for s in Recorder(store, Path(folder), {}, lambda text: None).scores(plan):
                who = f"{s.concept} as {s.other}" if s.other else s.concept
                prompt = "" if s.prompt is None else f"/prompt {s.prompt}"
                place = f"{s.source}/{s.i}/{s.j} {who}/{s.metric}{prompt}"
                book.numbers(place, s.value)
                book.text(f"{place}/counted", [s.n, s.higher_is_better])
                if s.se is not None:
                    book.numbers(f"{place}/error", s.se)
