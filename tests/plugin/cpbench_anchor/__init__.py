"""A method for cpbench: LoRA with a quadratic penalty on the distance from the weights after the last task."""

from cpbench.methods.adapters.base import Weighted
from cpbench.methods.adapters.low_rank import Lora, LoraOptions
from cpbench.methods.consolidations.base import Consolidation
from cpbench.methods.learner import Learner, LearnerOptions
from cpbench.methods.plugins import describe


class Anchor(Consolidation[Weighted]):
    name = "anchor"
    requires = (Weighted,)
    recalls = True

    def __init__(self, strength):
        self.strength, self.kept = strength, {}

    def penalty(self, trainer, step):
        params = trainer.adapter.params
        return self.strength * sum((params[k] - w).square().sum() for k, w in self.kept.items()) if self.kept else None

    def end(self, trainer, task, watch):
        self.kept = {name: p.detach().clone() for name, p in trainer.adapter.params.items()}
        return {}

    def state(self):
        return self.kept

    def restore(self, state):
        self.kept = dict(state)


@describe(
    "Adds a quadratic penalty that holds the LoRA near its weights after the last task.",
    adapter="lora",
    consolidations=["anchor"],
    options={"strength": "weight of the penalty", "rate": "learning rate of the LoRA"},
)
def anchor(backbone, seed, *, strength: float = 1.0, rate: float = 3e-3):
    return Learner(backbone, seed, Lora(backbone, seed, LoraOptions()), [Anchor(strength)], LearnerOptions(rate))
