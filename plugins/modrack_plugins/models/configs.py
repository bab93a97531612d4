"""What every text model's configuration gets from the data, and how it attends."""

from __future__ import annotations

from typing import Any

import torch

import modrack

# A new model with more was not meant to be that large.
MOST_WEIGHTS = 1_000_000_000
PROBLEMS = {
    "class": "single_label_classification",
    "classes": "multi_label_classification",
    "number": "regression",
}
# What architectures call their dropouts: those of attention, then the others.
ATTENTION_DROPOUTS = ("attention_probs_dropout_prob", "attention_dropout", "attn_pdrop")
DROPOUTS = (
    *ATTENTION_DROPOUTS,
    "hidden_dropout_prob",
    "dropout",
    "seq_classif_dropout",
    "classifier_dropout",
    "resid_pdrop",
    "embd_pdrop",
    "dropout_rate",
    "embedding_dropout",
    "mlp_dropout",
)


def adapt(config: Any, data: modrack.Data, dropout: float | None) -> None:
    """Put classes, problem and dropout into a configuration."""
    if data.target != "none":
        several = [f"{target}: {name}" for target, facts in data.targets.items() for name in facts.classes or ["value"]]
        names = data.classes or several or ["value"]
        config.num_labels = len(names)
        config.id2label = dict(enumerate(names))
        config.label2id = {name: number for number, name in enumerate(names)}
    config.problem_type = PROBLEMS.get(data.target)
    if dropout is not None:
        for name in DROPOUTS:
            if hasattr(config, name):
                setattr(config, name, dropout)


def check_size(auto: Any, config: Any) -> None:
    """Raise UserError for a model so large that its architecture cannot have followed the sizes it was asked for.

    Some have parts of their own size, such as an eye; one learns of it before memory is taken.
    """
    with torch.device("meta"), torch.random.fork_rng([]):
        weights = sum(parameter.numel() for parameter in auto.from_config(config, **building(config)).parameters())
    if weights > MOST_WEIGHTS:
        raise modrack.UserError(
            f"A new {config.model_type} model would have {weights / 1e9:.1f} billion weights: not all of its parts "
            "follow layers and width.",
            "Take a checkpoint (model.checkpoint=FOLDER), or another architecture.",
        )


def building(config: Any) -> dict[str, Any]:
    """How a model is made from `config`: in fp32, whatever its file was saved in, and with the faster attention."""
    # On a CPU, scaled_dot_product_attention with dropout is no faster than the plain formula, and mostly slower.
    # Otherwise transformers takes it for all architectures that have it.
    dropped = any(getattr(config, name, 0) for name in ATTENTION_DROPOUTS)
    plain = dropped and not torch.accelerator.is_available()
    return {"dtype": torch.float32, "attn_implementation": "eager" if plain else None}
