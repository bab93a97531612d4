"""Builds a text model of transformers: from a run's checkpoint, a pretrained one, or a size."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

import modrack
from modrack_plugins.hub_access import hub_reachable
from modrack_plugins.models.tokenizers import train_tokenizer

PROBLEMS = {
    "class": "single_label_classification",
    "classes": "multi_label_classification",
    "number": "regression",
}
# What architectures call their dropouts.
DROPOUTS = (
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "dropout",
    "attention_dropout",
    "seq_classif_dropout",
    "classifier_dropout",
    "resid_pdrop",
    "embd_pdrop",
    "attn_pdrop",
)


@dataclass(frozen=True)
class Fresh:
    """The size of a new model and its tokenizer."""

    architecture: str
    layers: int
    width: int
    heads: int
    tokenizer: str
    vocabulary: int


def build(
    data: modrack.Data,
    family: str | None,
    checkpoint: str | None,
    revision: str | None,
    fresh: Fresh | None,
    dropout: float | None,
    max_length: int,
) -> nn.Module:
    """The model, with its tokenizer as the attribute `processor`. Raises UserError for what cannot be loaded.

    `family` is the architecture that a checkpoint must have, None for any.
    """
    with quiet():
        if data.restore is not None:
            return _restored(data.restore)
        if fresh is not None:
            return _new(data, fresh, dropout, max_length)
        return _pretrained(data, family, checkpoint, revision, dropout, max_length)


def _restored(folder: Path) -> nn.Module:
    """The shape of a run's model; the runner loads its weights."""
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    return _with(
        AutoModelForSequenceClassification.from_config(config, attn_implementation=_attention(config)), tokenizer
    )


def _new(data: modrack.Data, fresh: Fresh, dropout: float | None, max_length: int) -> nn.Module:
    if fresh.width % fresh.heads:
        raise modrack.UserError(f"model.width={fresh.width} is no multiple of model.heads={fresh.heads}.")
    roberta = fresh.architecture == "roberta"
    tokenizer = train_tokenizer(data.texts(), fresh.tokenizer, fresh.vocabulary, max_length, sentence_marks=roberta)
    try:
        config = AutoConfig.for_model(fresh.architecture)
    except ValueError:
        raise modrack.UserError(
            f"model.architecture={fresh.architecture}: transformers has no such architecture.",
            "Its model types are the folders of transformers/models: bert, electra, deberta-v2, …",
        ) from None
    sizes = {
        # RoBERTa counts positions from behind the padding's number.
        "vocab_size": len(tokenizer),
        "max_position_embeddings": max_length + (2 if roberta else 0),
        "num_hidden_layers": fresh.layers,
        "hidden_size": fresh.width,
        "num_attention_heads": fresh.heads,
        "intermediate_size": 4 * fresh.width,
        "embedding_size": fresh.width,
        "hidden_dim": 4 * fresh.width,
        "type_vocab_size": 1,
    }
    for name, value in sizes.items():
        if hasattr(config, name):
            setattr(config, name, value)
    config.pad_token_id = tokenizer.pad_token_id
    config.bos_token_id, config.eos_token_id = tokenizer.cls_token_id, tokenizer.sep_token_id
    _adapt(config, data, 0.1 if dropout is None else dropout)
    try:
        model = AutoModelForSequenceClassification.from_config(config, attn_implementation=_attention(config))
    except ValueError:
        raise modrack.UserError(
            f"model.architecture={fresh.architecture}: transformers cannot classify sequences with it."
        ) from None
    return _with(model, tokenizer)


def _pretrained(
    data: modrack.Data,
    family: str | None,
    checkpoint: str | None,
    revision: str | None,
    dropout: float | None,
    max_length: int,
) -> nn.Module:
    if not checkpoint:
        raise modrack.UserError(
            "model.checkpoint is not said.", "It is a folder or a name on the Hub; or say model.pretrained=false."
        )
    local = _folder(checkpoint)
    source = str(local) if local is not None else checkpoint
    where = {
        "revision": revision or "main",
        "local_files_only": local is not None or not hub_reachable(),
        "trust_remote_code": False,
    }
    try:
        config = AutoConfig.from_pretrained(source, **where)
        if family is not None and config.model_type != family:
            raise modrack.UserError(
                f"model.checkpoint={checkpoint} holds a {config.model_type} model, not a {family} one.",
                f"Say --model transformer model.checkpoint={checkpoint}.",
            )
        tokenizer = AutoTokenizer.from_pretrained(source, **where)
        tokenizer.model_max_length = min(max_length, tokenizer.model_max_length)
        _adapt(config, data, dropout)
        model, report = AutoModelForSequenceClassification.from_pretrained(
            source,
            config=config,
            use_safetensors=True,
            output_loading_info=True,
            attn_implementation=_attention(config),
            ignore_mismatched_sizes=True,
            **where,
        )
    except (OSError, ValueError, KeyError) as error:
        raise _explained(error, checkpoint, local is not None) from None
    _tell_missing(model, report, checkpoint)
    return _with(model, tokenizer)


def _folder(checkpoint: str) -> Path | None:
    """The folder that `checkpoint` means, or None for a name on the Hub."""
    path = Path(checkpoint).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            there = ", ".join(sorted(each.name for each in path.iterdir())[:6]) or "nothing"
            raise modrack.UserError(
                f"model.checkpoint={checkpoint}: there is no config.json in this folder.", f"It holds: {there}."
            )
        if not list(path.glob("*.safetensors")):
            pickles = ", ".join(sorted(each.name for each in path.glob("*.bin")))
            raise modrack.UserError(
                f"model.checkpoint={checkpoint}: there are no weights in safetensors"
                + (f", only a pickle ({pickles})." if pickles else "."),
                "A pickle can run code when it is opened. Where you trust it, convert it once:\n"
                "model.save_pretrained(FOLDER) after loading it with transformers.",
            )
        return path
    if path.is_absolute() or checkpoint.startswith((".", "~")) or checkpoint.count("/") > 1 or path.exists():
        raise modrack.UserError(f"model.checkpoint={checkpoint}: there is no such folder.")
    return None


def _adapt(config: Any, data: modrack.Data, dropout: float | None) -> None:
    """Classes, problem and dropout into a configuration."""
    names = data.classes or ["value"]
    config.num_labels = len(names)
    config.id2label = dict(enumerate(names))
    config.label2id = {name: number for number, name in enumerate(names)}
    config.problem_type = PROBLEMS.get(data.target)
    if dropout is not None:
        for name in DROPOUTS:
            if hasattr(config, name):
                setattr(config, name, dropout)


def _attention(config: Any) -> str:
    """On a CPU, scaled_dot_product_attention with dropout is slower than the plain formula."""
    import torch

    dropped = any(getattr(config, name, 0) for name in ("attention_probs_dropout_prob", "attention_dropout"))
    return "eager" if dropped and not torch.accelerator.is_available() else "sdpa"


def _with(model: nn.Module, tokenizer: Any) -> nn.Module:
    model.processor = tokenizer
    return model


def _explained(error: Exception, checkpoint: str, is_folder: bool) -> modrack.UserError:
    said = " ".join(str(error).split())
    if is_folder:
        return modrack.UserError(f"model.checkpoint={checkpoint} cannot be loaded: {said[:300]}")
    if not hub_reachable():
        return modrack.UserError(
            f"model.checkpoint={checkpoint}: the Hub cannot be reached, and it was not downloaded before.",
            "Use a folder: model.checkpoint=FOLDER. Or start afresh: model.pretrained=false.",
        )
    return modrack.UserError(f"model.checkpoint={checkpoint} cannot be loaded from the Hub: {said[:300]}")


def _tell_missing(model: nn.Module, report: dict[str, Any], checkpoint: str) -> None:
    """Say which weights beside the head, which is always new, the checkpoint lacks."""
    prefix = getattr(model, "base_model_prefix", "")
    lacking = sorted(name for name in report["missing_keys"] if name.startswith(f"{prefix}.") and "pooler" not in name)
    if lacking:
        warnings.warn(
            f"{checkpoint} lacks {len(lacking)} weights, which start at random: {', '.join(lacking[:3])} …",
            stacklevel=3,
        )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the progress bars and remarks of transformers and huggingface_hub, which are as before afterwards."""
    from huggingface_hub import utils as hub
    from transformers.utils import logging as chatter

    bars, hub_bars = chatter.is_progress_bar_enabled(), not hub.are_progress_bars_disabled()
    loggers = [logging.getLogger(name) for name in ("transformers", "huggingface_hub")]
    levels = [logger.level for logger in loggers]
    chatter.disable_progress_bar()
    hub.disable_progress_bars()
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if bars:
            chatter.enable_progress_bar()
        if hub_bars:
            hub.enable_progress_bars()
