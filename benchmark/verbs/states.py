"""The states that recorded runs trained, as models that draw."""

from __future__ import annotations

from ...methods.registry import recorded
from ..errors import BadInput
from ..models.backbone import Backbone
from ..models.loading import load_backbone
from ..protocol import Method
from ..records.reading import OnFault
from ..records.result import Result
from ..run.quiet import quiet_libraries
from ..run.work.method import method_of
from ..storage.store import Store, home
from ..suite.spec import Sampling


def trained(
    result: Result, task: int, sampling: Sampling, on_fault: OnFault, device: str = "cpu", dtype: str = "float32"
) -> tuple[Backbone, Method | None]:
    """The model of a run, and its method as it was after a task; None where nothing was learned.

    Raises BadInput where the model is another one today, or the state is not in the store.
    """
    run = result.run
    with quiet_libraries():
        model = load_backbone(run.backbone, sampling, device, dtype, home=home())
        if model.weights != run.weights:
            raise BadInput(
                f"run {run.id}: {run.backbone} has other weights today than when it was taught; put those back."
            )
        chosen = recorded(run.method, run.options)
        if task == 0 or chosen.make is None:
            return model, None
        store = Store(home() / "units", on_fault)
        key = result.units.get(f"train/{task}")
        if key is None or store.find(key) is None:
            raise BadInput(
                f"run {run.id} ({run.method}): the state after task {task} is not in {store.folder}, which has "
                f"what this machine trained. Run it here: cpbench run --methods {run.method} --suite {run.suite}."
            )
        return model, method_of(chosen.make, 0, key, model, store)
