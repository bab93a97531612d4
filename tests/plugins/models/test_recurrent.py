"""lstm and gru: exact on padding, beside torch's own packed sequences; rebuilt from what was saved."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import modrack
from modrack_plugins.models import recurrent
from modrack_plugins.models.rnn import Recurrent, Shape

TEXTS = ["hello world", "Élodie Dupont", "a b c", "the quick brown fox"] * 4
SMALL: dict[str, Any] = {"width": 8, "embedding": 6, "vocabulary": 60, "max_length": 12}
CELLS = {"LSTM": nn.LSTM, "GRU": nn.GRU}
LENGTHS = torch.tensor([5, 9, 1, 7])


def facts(**changes: Any) -> Any:
    usual = {"gives": "text", "target": "class", "classes": ["x", "y", "z"], "restore": None}
    made = SimpleNamespace(**{**usual, "texts": lambda limit=None: iter(TEXTS), "targets": {}, **changes})
    made.outputs = len(made.classes or [0])
    return made


def network(cell: Any, each_token: bool = False, **changes: Any) -> Recurrent:
    torch.manual_seed(0)
    usual = {"width": 8, "layers": 2, "bidirectional": True, "dropout": 0.0, "blanks": 0.0, "embedding": 6}
    shape = Shape(**{**usual, "pooling": "last", **changes})
    return Recurrent(cell, shape, 30, 3, 0, each_token=each_token, whole=not each_token).eval()


def padded() -> tuple[torch.Tensor, torch.Tensor]:
    mask = torch.arange(9) < LENGTHS[:, None]
    return torch.randint(1, 30, (4, 9), generator=torch.Generator().manual_seed(1)).masked_fill(~mask, 0), mask.long()


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", ["LSTM", "GRU"])
def test_the_same_as_packed_sequences_of_torch(cell: Any, layers: int) -> None:
    """Values and gradients are those of torch's bidirectional network over packed sequences."""
    mine = network(cell, each_token=True, layers=layers)
    torchs = CELLS[cell](6, 8, layers, batch_first=True, bidirectional=True)
    for name, weight in torchs.named_parameters():
        kind, number = name.removesuffix("_reverse").rsplit("_l", 1)
        layer = (mine.back if name.endswith("_reverse") else mine.there)[int(number)]
        weight.data.copy_(getattr(layer, f"{kind}_l0"))
    ids, mask = padded()
    packed = pack_padded_sequence(mine.embed(ids), LENGTHS, batch_first=True, enforce_sorted=False)
    wanted = mine.head(pad_packed_sequence(torchs(packed)[0], batch_first=True)[0])
    given = mine(ids, mask)
    real = mask.bool()
    torch.testing.assert_close(given[real], wanted[real], atol=1e-6, rtol=0)
    given[real].square().sum().backward()
    ours = [layer.weight_hh_l0.grad for layer in (*mine.there, *mine.back)]
    wanted[real].square().sum().backward()
    theirs = [getattr(torchs, f"weight_hh_l{n}{way}").grad for way in ("", "_reverse") for n in range(layers)]
    for mine_, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine_, their, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("pooling", ["last", "max", "mean"])
@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("cell", ["LSTM", "GRU"])
def test_padding_changes_nothing(cell: Any, bidirectional: bool, pooling: str) -> None:
    model = network(cell, bidirectional=bidirectional, pooling=pooling)
    ids, mask = padded()
    with torch.no_grad():
        together = model(ids, mask)
        assert together.shape == (4, 3)
        for row, length in enumerate(LENGTHS.tolist()):
            torch.testing.assert_close(together[row], model(ids[row : row + 1, :length])[0], atol=1e-6, rtol=0)
        # A mask without a hole is as none.
        torch.testing.assert_close(model(ids[1:2], mask[1:2]), model(ids[1:2]), atol=1e-6, rtol=0)


def test_the_last_states_are_those_of_both_ends() -> None:
    model = network("GRU", layers=1)
    ids, mask = padded()
    with torch.no_grad():
        states = network("GRU", each_token=True, layers=1)
        states.head = nn.Identity()
        whole = states(ids, mask)
        ends = torch.stack([torch.cat([row[n - 1, :8], row[0, 8:]]) for row, n in zip(whole, LENGTHS, strict=True)])
        torch.testing.assert_close(model(ids, mask), model.head(ends))


@pytest.mark.parametrize("make", [recurrent.lstm, recurrent.gru], ids=lambda make: make.__name__)
@pytest.mark.parametrize("tokenizer", ["characters", "words", "wordpiece", "bpe"])
def test_comes_back_with_its_tokenizer(make: Any, tokenizer: str, tmp_path: Path) -> None:
    for target, shape in (("class", (3,)), ("tokens", (12, 3))):
        model = make(facts(target=target), **SMALL, tokenizer=tokenizer)
        model.processor.save_pretrained(tmp_path)
        again = make(facts(target=target, restore=tmp_path, texts=None), **SMALL, tokenizer=tokenizer)
        again.load_state_dict(model.state_dict())
        assert again.processor.get_vocab() == model.processor.get_vocab()
        ids = again.processor(
            ["the quick brown fox " * 4], truncation=True, max_length=12, return_tensors="pt"
        ).input_ids
        with torch.no_grad():
            made = again.eval()(ids)
            assert made.shape == (1, *shape)
            assert torch.equal(made, model.eval()(ids))


def test_a_folder_without_a_tokenizer_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(modrack.UserError, match=r"tokenizer in .* cannot be read"):
        recurrent.lstm(facts(restore=tmp_path), **SMALL)


def test_words_are_numbered_by_how_often_they_come() -> None:
    from modrack_plugins.models.tokenizers import train_tokenizer

    made = train_tokenizer(["b a c", "a b", "a Naïve"], "words", 7, 20)
    assert made.convert_ids_to_tokens(made("a b c Naïve")["input_ids"]) == [
        "[CLS]",
        "a",
        "b",
        "[UNK]",
        "[UNK]",
        "[SEP]",
    ]
    assert train_tokenizer(["a, b.", "it's"], "words", 50, 20).tokenize("a, it's") == ["a", ",", "it", "'", "s"]


def test_blanks_leave_whole_tokens_out_and_only_in_training() -> None:
    model = network("GRU", blanks=0.5)
    seen: list[torch.Tensor] = []
    model.dropout.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    ids = torch.randint(1, 30, (20, 40))
    model.eval()(ids)
    assert seen[0].any(-1).all()
    seen.clear()
    model.train()(ids)
    kept = seen[0].any(-1)
    assert torch.equal(kept, seen[0].all(-1))
    assert 0.4 < kept.float().mean() < 0.6


def test_a_number_needs_one_output() -> None:
    assert recurrent.gru(facts(target="number", classes=None), **SMALL).head.out_features == 1


def test_both_answers_of_a_token_and_of_the_whole_text() -> None:
    tokens, mask = padded()
    apart = [network("GRU", each_token=True)(tokens, mask), network("GRU")(tokens, mask)]
    both = network("GRU")
    both.each_token = True
    made = both(tokens, mask)
    torch.testing.assert_close([made["tokens"], made["whole"]], apart)


def test_begins_with_the_tokenizer_and_embeddings_of_a_checkpoint(tmp_path: Path) -> None:
    words: dict[str, Any] = {
        "dataset": "names", "limit": 200, "epochs": 1, "batch_size": 32, "device": "cpu", "threads": 1,
        "home": tmp_path,
    }  # fmt: skip
    small: dict[str, Any] = {"model.layers": 1, "model.width": 16, "model.heads": 2, "model.vocabulary": 300}
    before = modrack.train(model="bert", task="masked-lm", **words, **{"model.pretrained": False}, **small)
    body: Any = before.load_model()
    own: dict[str, Any] = {"model": "gru", "model.width": 8, "model.checkpoint": f"run:{before.id}"}
    run = modrack.train(**words, **own, **{"model.embedding": 16, "freeze": ["embed.*"]})
    model: Any = run.load_model()
    assert torch.equal(model.embed.weight, body.get_input_embeddings().weight)
    assert model.processor.get_vocab() == body.processor.get_vocab()
    assert set(run.predict("Deutschland")[0]) >= {"label"}
    with pytest.raises(
        modrack.UserError, match=r"model.embedding=96: a token of run:1 is 16 numbers.\nSay model.embedding=16"
    ):
        modrack.train(**words, **own)
    with pytest.raises(modrack.UserError, match="nowhere"):
        modrack.train(**words, **own | {"model.checkpoint": "./nowhere"})
