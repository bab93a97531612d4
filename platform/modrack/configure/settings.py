"""The settings of a run: what stands in no component."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from dataclasses import replace as replace_field
from functools import cache
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Lt

from modrack_registry.options import Option, read_options


@dataclass(kw_only=True)
class Settings:
    """How long, how large, on what, and what to keep. Here stands what holds where no plugin's defaults say else."""

    epochs: Annotated[int | None, Gt(0), "passes over the training rows"] = None
    steps: Annotated[int | None, Gt(0), "optimizer steps; instead of epochs"] = None
    batch_size: Annotated[int, Gt(0), "rows of an optimizer step, over all processes"] = 64
    batch_tokens: Annotated[
        int | None, Gt(0), "padded entries of a step, for rows of unequal length; instead of batch_size"
    ] = None
    evaluation_batch_size: Annotated[int | None, Gt(0), "rows of a batch in evaluation; none: chosen"] = None
    seed: Annotated[int, Ge(0), Lt(2**32), "of weights, order and noise"] = 0
    split_seed: Annotated[int, Ge(0), Lt(2**32), "of the rows that are cut off for validation and test"] = 0
    validation_share: Annotated[
        float | None, Gt(0), Lt(1), "of train that validation gets, where the dataset has none; none: 0.1, at most 5000"
    ] = None
    device: Annotated[str, "auto, cpu, cuda, cuda:1, mps …"] = "auto"
    precision: Annotated[Literal["auto", "fp32", "bf16", "fp16"], "of the forward and backward"] = "auto"
    tf32: Annotated[bool | None, "products of fp32 in TF32 on CUDA; none: chosen"] = None
    matmul: Annotated[Literal["auto", "default", "onednn"], "by what a CPU multiplies fp32"] = "auto"
    kernels: Annotated[Literal["auto", "native", "torch"], "a CPU's: in C, compiled here, or torch's alone"] = "auto"
    feeder: Annotated[Literal["auto", "resident", "host"], "where rows wait: on the accelerator, or the host"] = "auto"
    accumulate: Annotated[
        int | None, Gt(0), "micro-batches that an optimizer step is split into; none: as few as fit into memory"
    ] = None
    parallel: Annotated[
        Literal["auto", "ddp", "fsdp"], "what each of several processes holds: the whole model (ddp), or a share (fsdp)"
    ] = "auto"
    recompute: Annotated[
        Literal["auto", "all", "none"] | list[str],
        "layers that save no activations and compute them again in the backward, by name or all",
    ] = "auto"
    freeze: Annotated[list[str], "weights that do not learn, by name: *embeddings*, encoder.layer.[0-3].*"] = field(
        default_factory=list
    )
    layer_decay: Annotated[
        float | None, Gt(0), Lt(1), "factor on the learning rate from each layer to the one below"
    ] = None
    lora_rank: Annotated[int | None, Gt(0), "learn low-rank adapters of this rank, and the head, by peft"] = None
    lora_alpha: Annotated[float | None, Gt(0), "scale of the adapters, over their rank; none: twice the rank"] = None
    lora_dropout: Annotated[float, Ge(0), Lt(1), "share of the adapters' inputs that is left out in training"] = 0.0
    lora_layers: Annotated[list[str], "linear layers that get an adapter, by name: *query, *value; none: all"] = field(
        default_factory=list
    )
    clip: Annotated[float | None, Gt(0), "largest norm of the gradient"] = None
    monitor: Annotated[str | None, "the value that says which checkpoint is best, as validation.accuracy"] = None
    patience: Annotated[int | None, Gt(0), "evaluations without improvement before the run stops"] = None
    evaluate_every: Annotated[int | None, Gt(0), "steps between evaluations; none: each epoch"] = None
    checkpoint_every: Annotated[int | None, Gt(0), "steps between checkpoints; none: at each evaluation"] = None
    checkpoint_keep: Annotated[int, Gt(0), "how many checkpoints stay, the best one not counted"] = 2
    log_every: Annotated[int, Gt(0), "steps between points of the training loss"] = 50
    limit: Annotated[int | None, Gt(0), "rows of each split, for a quick try"] = None
    name: Annotated[str | None, "a name for the run"] = None
    tags: Annotated[list[str], "words to find the run by"] = field(default_factory=list)
    diff: Annotated[bool, "keep the uncommitted changes of the code with the run; --no-diff"] = True
    threads: Annotated[int | None, Gt(0), "CPU threads; none: chosen"] = None
    channels_last: Annotated[bool | None, "memory format of images; none: chosen"] = None
    compile: Annotated[bool | None, "compile the model, its repeated layers one by one; none: chosen"] = None
    compile_mode: Annotated[
        Literal["default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"], "as torch.compile's mode"
    ] = "default"
    deterministic: Annotated[bool, "only kernels that give the same bits each time; on a GPU they are slower"] = False
    ema: Annotated[float | None, Gt(0), Lt(1), "decay of averaged weights, which are then evaluated and kept"] = None


# Settings that are written with a dot, as they belong together.
_GROUPED = ("checkpoint", "lora")


def path_of(name: str) -> str:
    """How a setting's field is written: `checkpoint_every` as `checkpoint.every`, others as they are called."""
    group, _, rest = name.partition("_")
    return f"{group}.{rest}" if group in _GROUPED else name


@cache
def settings_options() -> dict[str, Option]:
    """Each setting by its path, as an option: type, default, bounds, help."""
    made = {each.name: each.default_factory for each in fields(Settings) if each.default_factory is not MISSING}
    options = read_options(Settings)[1]
    return {
        path_of(name): replace_field(option, default=made[name]()) if name in made else option
        for name, option in options.items()
    }


def settings_from(values: dict[str, Any]) -> Settings:
    """Checked values by path as settings."""
    # A default that is a list must not be shared between experiments.
    fresh: dict[str, Any] = {
        path.replace(".", "_"): list(value) if isinstance(value, list) else value for path, value in values.items()
    }
    return Settings(**fresh)
