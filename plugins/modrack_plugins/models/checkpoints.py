"""Pretrained text models, from a folder or from the Hub."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig, AutoTokenizer

import modrack
from modrack_plugins.hub_access import hub_reachable
from modrack_plugins.models.configs import adapt, building
from modrack_plugins.models.heads import Head
from modrack_plugins.models.tokenizers import read_tokenizer

# What transformers raises for files that are missing, broken, or of another kind.
UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    RuntimeError,
    ImportError,
    SafetensorError,
    StrictDataclassError,
)
CONVERT = (
    "A pickle can run code when it is opened. Where you trust it, convert it once:\n"
    "load the model with transformers, then model.save_pretrained(FOLDER) and tokenizer.save_pretrained(FOLDER)."
)


def load_pretrained(
    data: modrack.Data,
    family: str | tuple[str, ...] | None,
    head: Head,
    checkpoint: str | None,
    revision: str | None,
    dropout: float | None,
    max_length: int,
) -> nn.Module:
    """The model with `head`, new unless the checkpoint has it, and its tokenizer as the attribute `processor`.

    `family` is the architecture that a checkpoint must have, or one of several, None for any. Only safetensors are
    opened, and no code.
    """
    if not checkpoint:
        raise modrack.UserError(
            "model.checkpoint is not said.", "It is a folder or a name on the Hub; or say model.pretrained=false."
        )
    local = folder_of(checkpoint)
    source, where = source_of(checkpoint, local, revision)
    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=False, **where)
        _check_kind(config.model_type, family, head, checkpoint)
        tokenizer = (
            read_tokenizer(local)
            if local is not None
            else AutoTokenizer.from_pretrained(source, trust_remote_code=False, **where)
        )
        _check_tokenizer(tokenizer, checkpoint)
        adapt(config, data, dropout)
        model = load_weights(head.maker, source, config, checkpoint, **building(config), **where)
        _match(model, tokenizer, max_length, checkpoint)
    except UNREADABLE as error:
        raise explained(error, checkpoint, local is not None) from None
    model.processor = tokenizer
    made: nn.Module = model
    return made


def folder_of(checkpoint: str) -> Path | None:
    """The folder that `checkpoint` means, a run's too (`run:7`), or None for a name on the Hub."""
    path = modrack.run_checkpoint(checkpoint) or Path(checkpoint).expanduser()
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
                CONVERT,
            )
        return path
    if path.is_file():
        raise modrack.UserError(
            f"model.checkpoint={checkpoint} is a file.", "A checkpoint is the folder that holds config.json."
        )
    if path.is_absolute() or checkpoint.startswith((".", "~")) or checkpoint.count("/") > 1:
        raise modrack.UserError(f"model.checkpoint={checkpoint}: there is no such folder.")
    return None


def source_of(checkpoint: str, local: Path | None, revision: str | None) -> tuple[str, dict[str, Any]]:
    """(what `from_pretrained` is asked for, where it may look), for the folder `local` or a name on the Hub."""
    where = {"revision": revision or "main", "local_files_only": local is not None or not hub_reachable()}
    return str(local) if local is not None else checkpoint, where


def _check_kind(kind: str, family: str | tuple[str, ...] | None, head: Head, checkpoint: str) -> None:
    if kind not in head.architectures:
        raise modrack.UserError(f"model.checkpoint={checkpoint} holds a {kind} model, which cannot {head.does}.")
    families = (family,) if isinstance(family, str) else family
    if families is not None and kind not in families:
        raise modrack.UserError(
            f"model.checkpoint={checkpoint} holds a {kind} model, not a {' or '.join(families)} one.",
            f"Say --model transformer model.checkpoint={checkpoint}.",
        )


def _check_tokenizer(tokenizer: Any, checkpoint: str) -> None:
    # Where there are no files, transformers 5 gives one that knows its special tokens only.
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        raise modrack.UserError(
            f"model.checkpoint={checkpoint}: there is no tokenizer beside the weights.",
            "Save it there: tokenizer.save_pretrained(FOLDER).",
        )


def _match(model: Any, tokenizer: Any, max_length: int, checkpoint: str) -> None:
    """Let tokenizer and model agree on padding, on the longest text, and on how many tokens there are."""
    config = model.config
    if tokenizer.pad_token_id is None and tokenizer.eos_token_id is not None:
        # Language models such as GPT-2 have none; as a classifier they look for the last token before it.
        tokenizer.pad_token = tokenizer.eos_token
    if config.get_text_config().pad_token_id is None:
        config.get_text_config().pad_token_id = tokenizer.pad_token_id
    longest = [max_length, tokenizer.model_max_length]
    positions = getattr(config, "max_position_embeddings", None)
    if positions is not None and positions > 0:
        # RoBERTa and its kin number the padding 1, and positions from behind it.
        longest.append(positions - (2 if config.pad_token_id == 1 else 0))
    tokenizer.model_max_length = min(longest)
    rows = model.get_input_embeddings().num_embeddings if hasattr(config, "vocab_size") else None
    if rows is not None and rows < len(tokenizer) and rows == config.vocab_size:
        warnings.warn(
            f"{checkpoint}: the tokenizer has {len(tokenizer)} tokens, the model {rows}; the others start at random.",
            stacklevel=2,
        )
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)


def load_weights(maker: Any, source: str, config: Any, checkpoint: str, **options: Any) -> Any:
    """The model that `maker`, a class of transformers, builds by `config`, with the weights of `source`.

    Only safetensors are opened, and no code. `checkpoint` is what to call it in a mistake.
    """
    model, report = maker.from_pretrained(
        source,
        config=config,
        use_safetensors=True,
        output_loading_info=True,
        ignore_mismatched_sizes=True,
        trust_remote_code=False,
        **options,
    )
    _check_weights(model, report, checkpoint)
    return model


def _check_weights(model: Any, report: dict[str, Any], checkpoint: str) -> None:
    """Refuse weights of other sizes than the configuration says; tell of missing ones. The head is always new."""
    if any(".lora_A." in name for name in report["unexpected_keys"]):
        raise modrack.UserError(
            f"model.checkpoint={checkpoint} was trained with lora.rank: its weights lie beside those of another model.",
            "Go on with that run itself (predict, evaluate, rerun), or train without lora.rank.",
        )
    body = f"{getattr(model, 'base_model_prefix', '')}."
    wrong = sorted(each for each in report["mismatched_keys"] if each[0].startswith(body))
    if wrong:
        name, there, said = wrong[0]
        raise modrack.UserError(
            f"model.checkpoint={checkpoint}: config.json does not fit {len(wrong)} of the weights. "
            f"{name} is {tuple(there)}, but should be {tuple(said)}.",
            "The two files are of different models.",
        )
    lacking = sorted(name for name in report["missing_keys"] if name.startswith(body) and "pooler" not in name)
    if lacking:
        warnings.warn(
            f"{checkpoint} lacks {len(lacking)} weights, which start at random: {', '.join(lacking[:3])} …",
            stacklevel=2,
        )


def explained(error: Exception, checkpoint: str, is_folder: bool) -> modrack.UserError:
    said = " ".join(str(error).split())
    if "trust_remote_code" in said:
        return modrack.UserError(
            f"model.checkpoint={checkpoint} brings code of its own, which is never run.",
            "Take an architecture that transformers itself has.",
        )
    if not is_folder and not hub_reachable():
        return modrack.UserError(
            f"model.checkpoint={checkpoint}: the Hub cannot be reached, and it was not downloaded before.",
            "Use a folder: model.checkpoint=FOLDER. Or start afresh: model.pretrained=false.",
        )
    if "use_safetensors" in said:
        return modrack.UserError(f"model.checkpoint={checkpoint}: there are no weights in safetensors.", CONVERT)
    hint = "The file is cut off or damaged; copy it again." if isinstance(error, SafetensorError) else None
    place = "" if is_folder else " from the Hub"
    return modrack.UserError(f"model.checkpoint={checkpoint} cannot be loaded{place}: {said[:300]}", hint)
