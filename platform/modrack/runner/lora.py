"""Low-rank adapters: the weights of a model stay as they are, and a small product beside each learns.

Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (arXiv 2106.09685), by the library peft.
"""

from __future__ import annotations

import fnmatch
import re

from torch import nn

from modrack.configure.settings import Settings
from modrack.runner.parts import Parts
from modrack_registry.errors import UserError
from modrack_registry.suggest import did_you_mean


def add_adapters(parts: Parts, settings: Settings) -> None:
    """Where `lora.rank` is said: adapters beside the linear layers of all parts; only they and the heads learn then.

    Raises UserError without peft, or where no layer could have one.
    """
    if settings.lora_rank is None:
        if settings.lora_layers:
            raise UserError("lora.layers is said, but lora.rank is not.", "Say how large, as in lora.rank=8.")
        return
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError:
        raise UserError(f"lora.rank={settings.lora_rank} needs peft.", "pip install 'modrack[peft]'") from None
    found = {name: linear_layers(part) for name, part in parts.items()}
    single = len(found) == 1
    known = [layer if single else f"{name}.{layer}" for name, (layers, _) in found.items() for layer in layers]
    if not known:
        raise UserError(
            f"lora.rank={settings.lora_rank}: the model has no linear layer below its head.",
            "Adapters are for transformers and the like; leave lora.rank out.",
        )
    for pattern in settings.lora_layers:
        if not fnmatch.filter(known, pattern):
            raise UserError(f"lora.layers={pattern}: no linear layer has such a name.", did_you_mean(pattern, known))
    for name, part in parts.items():
        layers, head = found[name]
        chosen = [
            layer
            for layer in layers
            if not settings.lora_layers
            or any(fnmatch.fnmatch(layer if single else f"{name}.{layer}", each) for each in settings.lora_layers)
        ]
        if not chosen:
            continue
        # A layer inside an adapter, or below one, has another name afterwards.
        of_head = {id(parameter) for weight, parameter in part.named_parameters() if weight in head}
        config = LoraConfig(
            r=settings.lora_rank,
            lora_alpha=settings.lora_alpha or 2 * settings.lora_rank,
            lora_dropout=settings.lora_dropout,
            # A list would mean all layers whose names end so.
            target_modules="|".join(map(re.escape, chosen)),
        )
        inject_adapter_in_model(config, part)
        for weight, parameter in part.named_parameters():
            parameter.requires_grad_("lora_" in weight or id(parameter) in of_head)


def linear_layers(part: nn.Module) -> tuple[list[str], set[str]]:
    """(names of linear layers of the body, names of the head's weights). The head is what lies outside the body of a
    transformers model; of any other, all from its last linear layer on."""
    prefix = getattr(part, "base_model_prefix", "")
    linear = [
        name
        for name, module in part.named_modules()
        # Multi-head attention of torch itself uses its layers' weights without calling them.
        if type(module) is nn.Linear
    ]
    weights = [name for name, _ in part.named_parameters()]
    if prefix and hasattr(part, prefix):
        head = {name for name in weights if not name.startswith(f"{prefix}.")}
        return [name for name in linear if name.startswith(f"{prefix}.")], head
    if not linear:
        return [], set()
    last = linear[-1]
    first = next((place for place, name in enumerate(weights) if name.startswith(f"{last}.")), len(weights))
    return linear[:-1], set(weights[first:])
