"""The README of an exported state: a model card of the hub, and the few lines of Python that draw a picture."""

from __future__ import annotations

from dataclasses import dataclass

from huggingface_hub import ModelCardData

from ..models.loading import EMBEDDED
from ..records.result import Run
from ..wording import counted


@dataclass(frozen=True)
class Exported:
    """What a card tells of.

    ``base``: the model, as ``from_pretrained`` takes it. ``pipeline``: its class in diffusers. ``parts``: those that
    have a change, such as ``unet``. ``names``: of the adapters: a single empty one, or one per concept; none where no
    weights change. ``phrase``: how the first concept is named in a prompt. ``error``: the largest relative error of a
    change that was cut to a rank. ``repair``: whether diffusers must be told where prompts end.
    """

    run: Run
    task: int
    form: str
    base: str
    pipeline: str
    parts: tuple[str, ...]
    names: tuple[str, ...]
    tokens: tuple[str, ...]
    phrase: str
    licence: str
    rank: int | None = None
    error: float = 0.0
    repair: bool = False

    @property
    def two(self) -> bool:
        """Whether the model has two text encoders with tables of their own."""
        return self.pipeline == "StableDiffusionXLPipeline"


def card(found: Exported) -> str:
    """The text of README.md."""
    run = found.run
    lora = found.form != "merged"
    data = ModelCardData(
        base_model=found.base if "/" in found.base and not found.base.startswith(("/", ".")) else None,
        library_name="diffusers",
        pipeline_tag="text-to-image",
        tags=["text-to-image", *(["lora"] if lora and found.names else []), "continual-personalization", "cpbench"],
    )
    taught = ", ".join(f"`{token}`" for token in found.tokens) or "nothing"
    return "\n".join(
        (
            f"---\n{data.to_yaml()}\n---",
            f"# {run.method} on {run.suite}, after task {found.task}",
            "",
            f"A state of `{found.base}` that the method `{run.method}` of cpbench taught {taught}, in this order: run "
            f"`{run.id}`, seed {run.seed}, {counted(found.task, 'task')} of {len(run.order)}.",
            "",
            "```python",
            *snippet(found),
            "```",
            "",
            *_notes(found),
            f"* Licence of the pictures that were learned: {' '.join(found.licence.split())}",
            "",
        )
    )


def snippet(found: Exported, folder: str = ".") -> list[str]:
    """The lines that load the model and draw a picture, in ``folder``."""
    lines = [f"from diffusers import {found.pipeline}", ""]
    if found.form == "merged":
        lines.append(f'pipe = {found.pipeline}.from_pretrained("{folder}")')
    else:
        lines.append(f'pipe = {found.pipeline}.from_pretrained("{found.base}")')
        lines += _token_lines(found, folder)
        lines += _adapter_lines(found, folder)
    return [*lines, f'pipe("photo of a {found.phrase}").images[0].save("picture.png")']


def _token_lines(found: Exported, folder: str) -> list[str]:
    if not found.two:
        return [f'pipe.load_textual_inversion("{folder}/tokens/{t.strip("<>")}.safetensors")' for t in found.tokens]
    lines = ["from safetensors.torch import load_file"] if found.tokens else []
    for token in found.tokens:
        lines.append(f'rows = load_file("{folder}/tokens/{token.strip("<>")}.safetensors")')
        for key, number in (("clip_l", ""), ("clip_g", "_2")):
            lines.append(
                f'pipe.load_textual_inversion(rows["{key}"], token="{token}", '
                f"text_encoder=pipe.text_encoder{number}, tokenizer=pipe.tokenizer{number})"
            )
    if found.repair and found.tokens:
        lines.append("pipe.text_encoder_2.eos_token_id = pipe.tokenizer_2.eos_token_id  # its file has another")
    return lines


def _adapter_lines(found: Exported, folder: str) -> list[str]:
    if not found.names:
        return []
    name = found.names[0]
    if found.form == "peft":
        inside = f"{folder}/{name}" if name else folder
        each = [f'pipe.{part} = PeftModel.from_pretrained(pipe.{part}, "{inside}/{part}")' for part in found.parts]
        return ["from peft import PeftModel", *each]
    file = f"{name or 'adapter'}.safetensors"
    more = "" if found.form == "diffusers" and not name else f', weight_name="{file}"'
    return [f'pipe.load_lora_weights("{folder}"{more})']


def _notes(found: Exported) -> list[str]:
    notes = []
    if len(found.names) > 1:
        notes.append(
            f"* Each concept has an adapter of its own; this loads that of `{found.names[0]}`. The others: "
            f"{', '.join(found.names[1:])}."
        )
    if found.rank is not None:
        notes.append(
            f"* Changes of weights were cut to rank {found.rank}; the largest relative error of a layer is "
            f"{found.error:.2g}."
        )
    if found.base in EMBEDDED:
        notes.append(
            f"* `{found.base}` is part of cpbench: `cpbench export {found.run.id[:8]} --task 0 --format merged --out "
            f"{found.base}` writes it as a folder. Its autoencoder is a class of cpbench, which draws the pictures. "
            'Without cpbench, load the model with `vae=None` and draw latents (`output_type="latent"`).'
        )
    notes.append(
        f"* Size, steps and guidance of the benchmark are those of the suite {run_suite(found)}; others give other "
        "pictures."
    )
    return notes


def run_suite(found: Exported) -> str:
    """The suite of the run with its version."""
    return f"{found.run.suite}, version {found.run.suite_version}"
