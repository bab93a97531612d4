"""Which head a text model of transformers gets: by the sort of what the data want to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import modrack


@dataclass(frozen=True)
class Head:
    """One of transformers' ways to put a head on a body; `does` says in words what such a model does."""

    auto: str
    names: str
    does: str

    @property
    def maker(self) -> Any:
        """transformers' class that makes models with this head."""
        import transformers

        return getattr(transformers, self.auto)

    @cached_property
    def architectures(self) -> frozenset[str]:
        """The architectures, by model_type, that can have it."""
        from transformers.models.auto import modeling_auto

        mapping = f"MODEL_FOR_{self.names}_MAPPING_NAMES" if self.names else "MODEL_MAPPING_NAMES"
        return frozenset(getattr(modeling_auto, mapping))


_WHOLE = Head("AutoModelForSequenceClassification", "SEQUENCE_CLASSIFICATION", "classify texts")
# Heads by the sort of the target. `none` is the text itself: masked places for a model that reads both ways …
READERS: Mapping[str, Head] = {
    "class": _WHOLE,
    "classes": _WHOLE,
    "number": _WHOLE,
    "several": _WHOLE,
    "tokens": Head("AutoModelForTokenClassification", "TOKEN_CLASSIFICATION", "classify the words of texts"),
    "none": Head("AutoModelForMaskedLM", "MASKED_LM", "predict masked tokens"),
}
# … and the next token for one that reads from left to right.
WRITERS: Mapping[str, Head] = {**READERS, "none": Head("AutoModelForCausalLM", "CAUSAL_LM", "continue texts")}
# Or no head at all, whatever there is to know.
BODIES: Mapping[str, Head] = dict.fromkeys(READERS, Head("AutoModel", "", "read texts"))


def head_for(data: modrack.Data, heads: Mapping[str, Head] = READERS) -> Head:
    """The head for the data's target. Raises UserError where there is none.

    Where one of several targets is a class a word, the others are read at the first token.
    """
    target = "tokens" if any(each.target == "tokens" for each in data.targets.values()) else data.target
    if target not in heads:
        raise modrack.UserError(f"A text model has no head for the target {target}.", f"It has: {', '.join(heads)}.")
    return heads[target]
