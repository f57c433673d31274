"""Regressions as a tired maintainer makes them: each is one edit of one module, after which the program still runs.

``old`` occurs exactly once in ``file``; ``tests/test_planted.py`` asserts that, and that the edit changes the program
rather than its layout. A refactoring that moves such a line moves its entry here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Regression:
    """One planted regression: ``old`` in ``file`` becomes ``new``; ``why``: what is then wrong.

    ``seen_in``: a fingerprint that must show it.
    """

    name: str
    file: str
    old: str
    new: str
    why: str
    seen_in: str

    def applied(self, text: str) -> str:
        """The text of the file with the regression in it; raises LookupError unless ``old`` occurs exactly once."""
        if (n := text.count(self.old)) != 1:
            raise LookupError(f"{self.name}: expected once in {self.file}, found {n} times: {self.old}")
        return text.replace(self.old, self.new)

    def plant(self, root: Path) -> str:
        """Write the regression into the tree at ``root``; returns the text that was there."""
        path = root / self.file
        before = path.read_text(encoding="utf-8")
        path.write_text(self.applied(before), encoding="utf-8")
        return before


CONSOLIDATIONS = "methods/consolidations"

PENALTIES = (
    Regression(
        "clora-halved",
        f"{CONSOLIDATIONS}/clora.py",
        "return self.options.strength * clora_penalty(",
        "return 0.5 * self.options.strength * clora_penalty(",
        "the penalty of C-LoRA is halved, as if it were λ/2",
        "clora",
    ),
    Regression(
        "clora-adds-signed",
        f"{CONSOLIDATIONS}/clora.py",
        "(past[name].abs() * change).square().sum()",
        "(past[name] + change).square().sum()",
        "the penalty of C-LoRA is the size of the whole change, not that of entries changed twice",
        "clora",
    ),
    Regression(
        "ewc-halved",
        f"{CONSOLIDATIONS}/ewc.py",
        "return 0.5 * strength * torch.stack(terms).sum()",
        "return 0.25 * strength * torch.stack(terms).sum()",
        "the penalty of EWC is halved twice",
        "ewc",
    ),
    Regression(
        "ewc-mean-for-sum",
        f"{CONSOLIDATIONS}/ewc.py",
        "terms = [(f * (present[name] - kept[name]).square()).sum() for",
        "terms = [(f * (present[name] - kept[name]).square()).mean() for",
        "λ of EWC is divided by the size of each layer",
        "ewc",
    ),
    Regression(
        "ewc-dc-halved",
        f"{CONSOLIDATIONS}/ewc.py",
        "+ o.score_weight * scores",
        "+ 0.5 * o.score_weight * scores",
        "the DC scores in the importance of EWC-DC have half their weight",
        "ewc-dc",
    ),
    Regression(
        "ewc-dc-wrong-sign",
        "methods/scores.py",
        "else own + log_p[:, 1:].mean(1)",
        "else own - log_p[:, 1:].mean(1)",
        "the contrast of EWC-DC raises the scores of the other concepts",
        "ewc-dc",
    ),
    Regression(
        "olora-halved",
        f"{CONSOLIDATIONS}/olora.py",
        "return self.options.strength * orthogonality(",
        "return 0.5 * self.options.strength * orthogonality(",
        "the penalty of O-LoRA is halved",
        "olora",
    ),
    Regression(
        "olora-last-task-only",
        f"{CONSOLIDATIONS}/olora.py",
        "earlier = [self.past[name]] if name in self.past else []",
        "earlier: list[Tensor] = []",
        "O-LoRA keeps away from the directions of the last task alone; seen from the third task on",
        "olora",
    ),
    Regression(
        "ziplora-halved",
        f"{CONSOLIDATIONS}/ziplora.py",
        "self.zip.overlap * overlap(m)",
        "0.5 * self.zip.overlap * overlap(m)",
        "the penalty on shared columns of ZipLoRA is halved",
        "ziplora",
    ),
    Regression(
        "dsc-scores-halved",
        f"{CONSOLIDATIONS}/dsc.py",
        '"scores"] = o.score_weight * score_distance(',
        '"scores"] = 0.5 * o.score_weight * score_distance(',
        "the scores in DSC are averaged over the two teachers",
        "dsc",
    ),
    Regression(
        "dsc-noise-halved",
        f"{CONSOLIDATIONS}/dsc.py",
        "o.noise_weight * noise_distances(",
        "0.5 * o.noise_weight * noise_distances(",
        "the distance in DSC is averaged over the two teachers",
        "dsc",
    ),
)

CONSOLIDATING = (
    Regression(
        "fisher-squared-late",
        "methods/fisher.py",
        "total = total + g.square()\n    return total / n",
        "total = total + g\n    return (total / n).square()",
        "the Fisher information is squared after the mean over examples",
        "ewc",
    ),
    Regression(
        "ewc-decays-new",
        f"{CONSOLIDATIONS}/ewc.py",
        "self.options.decay * self.fisher.get(n, torch.zeros_like(v)) + v for n, v",
        "self.options.decay * (self.fisher.get(n, torch.zeros_like(v)) + v) for n, v",
        "γ of EWC decays the new information too; the same numbers with the default γ = 1",
        "variants",
    ),
    Regression(
        "ewc-unscaled-sum",
        f"{CONSOLIDATIONS}/ewc.py",
        "_split(f / f.mean(), trainer.adapter.params)",
        "_split(f / f.sum(), trainer.adapter.params)",
        "the running sum of EWC is of information scaled to sum 1, not to mean 1",
        "ewc",
    ),
    Regression(
        "ewc-first-anchor",
        f"{CONSOLIDATIONS}/ewc.py",
        "self.kept = {name: p.detach()",
        "self.kept = self.kept or {name: p.detach()",
        "EWC pulls towards the weights after the first task for ever; seen from the third task on",
        "ewc",
    ),
    Regression(
        "dsc-teacher-learns",
        f"{CONSOLIDATIONS}/dsc.py",
        "first = predict(trainer, step, text, current)",
        "first = predict(trainer, step, text, None)",
        "the first teacher of DSC is not frozen: it is the student itself",
        "dsc",
    ),
    Regression(
        "dsc-second-teacher-fixed",
        f"{CONSOLIDATIONS}/dsc.py",
        "j = int(torch.randint(len(earlier), (), generator=draw))",
        "j = 0",
        "the second teacher of DSC is always that of the first concept; seen from the third task on",
        "dsc",
    ),
    Regression(
        "dsc-forgets-penalties",
        f"{CONSOLIDATIONS}/dsc.py",
        "return terms | trainer.penalties(step)",
        "return terms",
        "the penalties of other consolidations are missing while DSC distils",
        "dsc-ewc",
    ),
    Regression(
        "temperature-inverted",
        "methods/scores.py",
        "return -errors_ / (scale * temperature)",
        "return -errors_ / scale * temperature",
        "DC scores are multiplied by their temperature",
        "ewc-dc",
    ),
    Regression(
        "scores-scale-learns",
        "methods/scores.py",
        "keepdim=True).detach().clamp_min(",
        "keepdim=True).clamp_min(",
        "gradients flow through the scale of DC scores: the loss is the same, its gradient is not",
        "ewc-dc",
    ),
    Regression(
        "merge-unconstrained",
        f"{CONSOLIDATIONS}/merge.py",
        'if self.options.rule == "constrained":',
        'if self.options.rule == "constraint":',
        "Custom Diffusion's changes are averaged, without the constraints of its closed form",
        "cd-merge",
    ),
    Regression(
        "orthogonal-start-lost",
        f"{CONSOLIDATIONS}/merge.py",
        """        adapter.reset(task.seed)
        if earlier and isinstance(adapter, Steerable):
            adapter.avoid({name: torch.cat([rows[name] for rows in earlier]) for name in earlier[0]})
""",
        """        if earlier and isinstance(adapter, Steerable):
            adapter.avoid({name: torch.cat([rows[name] for rows in earlier]) for name in earlier[0]})
        adapter.reset(task.seed)
""",
        "the orthogonal start of an adapter is drawn over",
        "variants",
    ),
    Regression(
        "replay-newest-only",
        f"{CONSOLIDATIONS}/replay.py",
        "for name, pictures in self.kept.items()]",
        "for name, pictures in list(self.kept.items())[-1:]]",
        "replay draws the newest earlier concept only; seen from the third task on",
        "replay",
    ),
    Regression(
        "independent-explains-last",
        "methods/learner.py",
        "[questions[k] for k in rows], self.phrase, params)",
        "[questions[k] for k in rows], self.phrase)",
        "'independent' classifies pictures with the weights of the last task",
        "independent",
    ),
)

TRAINING = (
    Regression(
        "tokens-decay",
        "methods/learner.py",
        'groups = [{"params": rows, "lr": self.options.token_rate}]',
        'groups = [{"params": [r.requires_grad_() for own in self.backbone.tokens.values() for r in own], '
        '"lr": self.options.token_rate, "weight_decay": 1e-2}]',
        "the tokens of earlier concepts are among the trained ones, and decay",
        "ti",
    ),
    Regression(
        "replay-trains-old-tokens",
        "methods/learner.py",
        'groups = [{"params": rows, "lr": self.options.token_rate}]',
        'groups = [{"params": [r.requires_grad_() for own in self.backbone.tokens.values() for r in own], '
        '"lr": self.options.token_rate}]',
        "the tokens of earlier concepts are trained where a prompt has them: under replay alone",
        "replay",
    ),
    Regression(
        "default-weight-decay",
        "methods/training.py",
        "torch.optim.AdamW(phase.groups, weight_decay=0.0)",
        "torch.optim.AdamW(phase.groups)",
        "weights decay by the default of AdamW, 0.01",
        "clora",
    ),
    Regression(
        "cooldown-ignored",
        "methods/loop.py",
        "            self.schedule.step()\n",
        "            pass\n",
        "the rates never fall",
        "ti",
    ),
    Regression(
        "gradients-pile-up",
        "methods/loop.py",
        "        self.optimiser.zero_grad(set_to_none=True)\n",
        "",
        "gradients of earlier updates are added to those of later ones",
        "ti",
    ),
    Regression(
        "fisher-reuses-stream",
        "methods/training.py",
        "manual_seed(task.seed + 2)",
        "manual_seed(task.seed)",
        "the examples that measure importance have the noise of the first updates",
        "ewc",
    ),
    Regression(
        "adapter-ignores-seed",
        "methods/adapters/low_rank.py",
        "generator = torch.Generator().manual_seed(seed)",
        "generator = torch.Generator().manual_seed(0)",
        "every LoRA starts from the same numbers, whatever the seed",
        "clora",
    ),
    Regression(
        "vera-redraws-projection",
        "methods/adapters/vera.py",
        "projection_prng_key=options.projection,",
        "projection_prng_key=seed % 2**31,",
        "the frozen projections of VeRA depend on the seed of the task, and are lost between tasks",
        "vera",
    ),
    Regression(
        "lora-alpha-dropped",
        "methods/adapters/low_rank.py",
        "partial(peft.LoraConfig, r=options.rank, lora_alpha=options.alpha)",
        "partial(peft.LoraConfig, r=options.rank)",
        "LoRA has the default scale of peft, α = 8",
        "clora",
    ),
)

SAMPLING = (
    Regression(
        "sampler-one-short",
        "benchmark/models/sampling.py",
        "for t in sampler.timesteps:",
        "for t in sampler.timesteps[:-1]:",
        "the last step of the sampler is left out",
        "sampling",
    ),
    Regression(
        "guidance-plus-one",
        "benchmark/models/sampling.py",
        "sampler.step(plain + sampling.guidance",
        "sampler.step(guided + sampling.guidance",
        "guidance is one too strong",
        "sampling",
    ),
    Regression(
        "guidance-wrong-branch",
        "benchmark/models/latent.py",
        'self.embed([self.sampling.negative or ""] * len(prompts) + list(prompts), params)',
        'self.embed([*prompts, *[self.sampling.negative or ""] * len(prompts)], params)',
        "guidance leads away from the prompt",
        "sampling",
    ),
    Regression(
        "noise-per-batch",
        "benchmark/models/latent.py",
        "torch.stack([self.initial_noise(seed) for seed in seeds])",
        "torch.stack([self.initial_noise(seeds[0]) for _ in seeds])",
        "all pictures of a batch start from the noise of its first one",
        "sampling",
    ),
    Regression(
        "latents-unscaled",
        "benchmark/models/autoencoder.py",
        "z = latents.to(self.precision) / self.vae.config.scaling_factor",
        "z = latents.to(self.precision)",
        "latents are decoded without undoing their scale",
        "sampling",
    ),
    Regression(
        "v-as-eps",
        "benchmark/models/unet.py",
        'self.scheduler.config.prediction_type != "v_prediction"',
        'self.scheduler.config.prediction_type != "v-prediction"',
        "a model that predicts v is trained as if it predicted ε",
        "sampling",
    ),
    Regression(
        "pixels-truncated",
        "benchmark/models/autoencoder.py",
        "self.decoded(latents).round().to(torch.uint8)",
        "self.decoded(latents).to(torch.uint8)",
        "pixels are cut off instead of rounded: half a grey level darker",
        "sampling",
    ),
)

SCORING = (
    Regression(
        "direction-flipped",
        "benchmark/scoring/metrics.py",
        'Metric("copying", False,',
        'Metric("copying", True,',
        "copying counts as good",
        "metrics",
    ),
    Regression(
        "kid-biased",
        "benchmark/scoring/functional.py",
        "within_x = (kxx.sum() - np.trace(kxx)) / (m * (m - 1))",
        "within_x = kxx.mean()",
        "MMD and KID compare each picture with itself too",
        "metrics",
    ),
    Regression(
        "cosine-unnormalised",
        "benchmark/scoring/functional.py",
        "(unit(generated) * unit(text)).sum(axis=1)",
        "(unit(generated) * _checked(text, 1)).sum(axis=1)",
        "text alignment grows with the length of the text's embedding",
        "metrics",
    ),
    Regression(
        "diversity-with-itself",
        "benchmark/scoring/functional.py",
        "(of[:, None] == of) & ~np.eye(len(of), dtype=bool)",
        "(of[:, None] == of) & np.ones((len(of), len(of)), dtype=bool)",
        "diversity counts the distance of each picture to itself",
        "metrics",
    ),
    Regression(
        "jackknife-of-variance",
        "benchmark/scoring/metrics.py",
        "np.sqrt((len(left) - 1) * left.var())",
        "np.sqrt(left.var())",
        "the jackknife lacks its factor n - 1: standard errors are far too small",
        "metrics",
    ),
    Regression(
        "text-names-concept",
        "benchmark/scoring/scorer.py",
        ".render(lambda s: s.noun) for t in",
        ".render(lambda s: s.name) for t in",
        "text alignment is measured to prompts with the concept's own name, which CLIP does not know",
        "scoring",
    ),
    Regression(
        "classifier-keeps-places",
        "benchmark/scoring/classifier.py",
        'total.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable") < kept',
        'total.argsort(axis=1, kind="stable") < kept',
        "the classifier keeps candidates by an index, not by their rank",
        "metrics",
    ),
    Regression(
        "classifier-other-noise",
        "benchmark/scoring/classifier.py",
        "Question(i, prompts[c], t, 1000 * i + t)",
        "Question(i, prompts[c], t, 1000 * (i * k + c) + t)",
        "each candidate of the classifier is tried with other noise",
        "metrics",
    ),
    Regression(
        "ceiling-from-training",
        "benchmark/suite/concepts.py",
        "return Rendering(tuple(map(toybox_source, who)), suite.evaluation.references, HELD_OUT)",
        "return Rendering(tuple(map(toybox_source, who)), suite.evaluation.references, _TRAIN)",
        "the ceiling is measured on training pictures",
        "suites",
    ),
    Regression(
        "references-from-training",
        "benchmark/suite/concepts.py",
        "return Rendering((toybox_source(concept),), suite.evaluation.references, REFERENCE)",
        "return Rendering((toybox_source(concept),), suite.evaluation.references, _TRAIN)",
        "drawn pictures are compared with those that the method was trained on",
        "suites",
    ),
)

BOOKKEEPING = (
    Regression(
        "forgetting-off-by-one",
        "benchmark/records/continual.py",
        "drops = [_best(s[j + 1 : -1, j]) - s[-1, j] for j in range(r.shape[1] - 1)]",
        "drops = [_best(s[j:-1, j]) - s[-1, j] for j in range(r.shape[1] - 1)]",
        "forgetting_max counts what the model drew before it learned a concept",
        "summaries",
    ),
    Regression(
        "interval-normal",
        "reports/analysis/stats.py",
        "return float(stdtrit(free, 0.5 + LEVEL / 2))",
        "return float(stdtrit(1e9, 0.5 + LEVEL / 2))",
        "intervals have the quantile of the normal distribution: far too short for three runs",
        "analysis",
    ),
    Regression(
        "pairs-by-place",
        "reports/analysis/paired.py",
        "estimate([first[k] - second[k] for k in pairs], [order for order, _ in pairs])",
        "estimate([a - b for a, b in zip(first.values(), second.values())], [order for order, _ in pairs])",
        "runs are paired by their place in the list, not by order and seed",
        "analysis",
    ),
    Regression(
        "key-forgets-zeros",
        "methods/configure.py",
        'if v != ""} for section',
        "if v} for section",
        "options of value 0 or false are missing in keys and records: stale units are found for them",
        "ewc",
    ),
    Regression(
        "key-forgets-sampling",
        "benchmark/plan/planner.py",
        "return {True: own.model_dump(),",
        'return {True: own.model_dump(exclude={"guidance"}),',
        "pictures of another guidance are found under the same key",
        "plan",
    ),
    Regression(
        "seeds-without-prompt",
        "benchmark/run/work/draw.py",
        "digest([unit.seed, label_of(who), unit.prompts[p], k])",
        "digest([unit.seed, label_of(who), k])",
        "the pictures of all prompts start from the same noise",
        "scoring",
    ),
    Regression(
        "chain-skips-states",
        "benchmark/plan/planner.py",
        "            parent = key\n",
        "            parent = parent or key\n",
        "every task continues from the state after the first one; seen from the third task on",
        "scoring",
    ),
    Regression(
        "drift-since-last-task",
        "benchmark/plan/planner.py",
        "learned |= {j: draw.key} if i == j else {}",
        "learned |= {j: draw.key}",
        "drift is measured against the task before (under protocol full), not against the state right after learning",
        "scoring",
    ),
)

PLANTED = (*PENALTIES, *CONSOLIDATING, *TRAINING, *SAMPLING, *SCORING, *BOOKKEEPING)
"""All planted regressions."""
