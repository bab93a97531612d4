"""A last layer for the first token alone gives what the whole layer gives."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import transformers
from torch import nn

from modrack_plugins.models.attention import attend_without_waiting
from modrack_plugins.models.first_token import read_first_token

_BERT = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 32}
_DISTILBERT = {"dim": 16, "n_heads": 2, "n_layers": 2, "hidden_dim": 32}
FAMILIES = ["Bert", "Roberta", "XLMRoberta", "Camembert", "Electra", "DistilBert"]


def classifier(family: str, attention: str = "eager", head: str = "SequenceClassification", **more: Any) -> Any:
    sizes = _DISTILBERT if family == "DistilBert" else _BERT
    config = getattr(transformers, f"{family}Config")(vocab_size=50, **sizes | more)
    torch.manual_seed(0)
    maker = getattr(transformers, f"{family}For{head}")
    made = maker._from_config(config, attn_implementation=attention).double().eval()
    attend_without_waiting(made)
    return made


def short(model: nn.Module) -> bool:
    return any("forward" in vars(module) for module in model.modules())


def batch() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    mask = torch.ones(4, 9, dtype=torch.long)
    mask[0, 5:] = mask[2, 2:] = 0
    return {"input_ids": torch.randint(3, 50, (4, 9)), "attention_mask": mask}


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("family", FAMILIES)
def test_outputs_and_gradients_are_those_of_the_whole_layer(family: str, attention: str) -> None:
    whole = classifier(family, attention)
    first = copy.deepcopy(whole)
    read_first_token(first)
    assert short(first)
    assert not short(whole)
    given = []
    for model in (whole, first, copy.deepcopy(first)):
        logits = model(**batch()).logits
        logits.square().sum().backward()
        given.append((logits, [(name, each.grad) for name, each in model.named_parameters()]))
    for logits, gradients in given[1:]:
        torch.testing.assert_close(logits, given[0][0], rtol=1e-12, atol=1e-14)
        for (name, theirs), (_, mine) in zip(given[0][1], gradients, strict=True):
            assert (theirs is None) == (mine is None), name
            if mine is not None:
                torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-14, msg=name)
    assert first.base_model(**batch()).last_hidden_state.shape == (4, 1, 16)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_dropout_is_drawn_in_training_only(attention: str) -> None:
    model = classifier("Bert", attention, attention_probs_dropout_prob=0.0, hidden_dropout_prob=0.0)
    read_first_token(model)
    model.bert.encoder.layer[-1].attention.self.dropout.p = 0.5
    rows = batch()
    with torch.no_grad():
        assert torch.equal(model(**rows).logits, model(**rows).logits)
        model.train()
        assert not torch.equal(model(**rows).logits, model(**rows).logits)


def test_models_that_read_all_tokens_stay_whole() -> None:
    for family, head in (("Bert", "TokenClassification"), ("Bert", "MaskedLM"), ("MPNet", "SequenceClassification")):
        model = classifier(family, head=head)
        read_first_token(model)
        assert not short(model), (family, head)
    decoder = classifier("Bert", is_decoder=True)
    read_first_token(decoder)
    assert not short(decoder)
