"""A class a word: where its piece is, what is counted, and what is told of a text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features, Sequence, Value

import modrack
from modrack.data.facts import Data, derive
from modrack.data.rows import chunks
from modrack.runner.encode import encode_split
from modrack.runner.feeder import Feeder
from modrack.runner.parts import Parts
from modrack.runner.stored import load_stored
from modrack_plugins.models import recurrent, transformers
from modrack_plugins.tasks.token_classification import TokenClassification

TAGS = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
SENTENCES = [
    ("Anna lives in New York .", [3, 0, 0, 1, 2, 0]),
    ("São Tomé , Príncipe", [1, 2, 0, 1]),
    ("Peter Okafor", [3, 4]),
    ("nobody here", [0, 0]),
]
SMALL: dict[str, Any] = {"pretrained": False, "layers": 1, "width": 16, "heads": 2, "vocabulary": 300}


def made(**columns: Any) -> tuple[Data, dict[str, Any]]:
    usual = {"tokens": [text.split() for text, _ in SENTENCES], "tags": [tags for _, tags in SENTENCES]} | columns
    features = Features({"tokens": Sequence(Value("string")), "tags": Sequence(ClassLabel(names=TAGS))})
    rows = Dataset.from_dict(usual, features=features)
    return derive(DatasetDict(train=rows, validation=rows, test=rows), name="t", target=("tokens",))


MODELS: dict[str, Callable[[Data], Any]] = {
    "lstm, wordpiece": lambda data: recurrent.lstm(data, width=8, embedding=8),
    "gru, words": lambda data: recurrent.gru(data, width=8, embedding=8, tokenizer="words"),
    "gru, characters": lambda data: recurrent.gru(data, width=8, embedding=8, tokenizer="characters"),
    "bert": lambda data: transformers.bert(data, **SMALL),
    "roberta, bytes": lambda data: transformers.roberta(data, **SMALL),
}


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Callable[[Data], Any]:
    return MODELS[request.param]


def test_each_word_is_where_its_first_piece_is(model: Callable[[Data], Any]) -> None:
    data, splits = made()
    tokenizer = model(data).processor
    encoded = TokenClassification(data, tokenizer).encode(next(chunks(splits["train"], 10)))
    ids, words, target = encoded["input_ids"], encoded["words"], encoded["target"]
    for row, (text, tags) in enumerate(SENTENCES):
        places = words.values[words.offsets[row] : words.offsets[row + 1]]
        pieces = tokenizer.convert_ids_to_tokens(ids.values[ids.offsets[row] : ids.offsets[row + 1]])
        assert target.values[target.offsets[row] : target.offsets[row + 1]].tolist() == tags
        assert len(places) == len(tags)
        assert (places[0], places[-1] < len(pieces) - 1) == (1, True)
        for word, place in zip(text.split(), places, strict=True):
            piece = pieces[place].lstrip("Ġ")
            # Of what is no ASCII, tokens of bytes show no letters.
            assert piece == "[UNK]" or not word.isascii() or (piece and word.startswith(piece)), (word, pieces)


def test_loss_and_count_are_those_of_the_words(model: Callable[[Data], Any]) -> None:
    torch.manual_seed(0)
    data, splits = made()
    network = model(data).eval()
    task, parts = TokenClassification(data, network.processor), Parts.of(network, "m")
    encoded = encode_split(splits["train"], task)
    sums = []
    for size in (4, 1):
        steps = [
            (task.step(parts, batch, "train"), task.count(batch, "train"))
            for batch in Feeder(encoded, batch_size=size, device=torch.device("cpu"), resident=False).once()
        ]
        sums.append((sum(float(step.loss.detach()) for step, _ in steps), sum(count for _, count in steps)))
        for step, _ in steps:
            assert step.outputs["logits"].shape == (*step.outputs["target"].shape, 5)
    assert sums[0][1] == sums[1][1] == 14
    assert sums[0][0] == pytest.approx(sums[1][0], rel=1e-5)


class Oracle(torch.nn.Module):
    """Says the tags it was told, at every piece of the words."""

    def __init__(self, tags: list[list[int]], places: list[list[int]], width: int) -> None:
        super().__init__()
        self.logits = torch.zeros(len(tags), width, len(TAGS))
        for row, (labels, where) in enumerate(zip(tags, places, strict=True)):
            for label, place in zip(labels, where, strict=True):
                self.logits[row, place, label] = 5

    def forward(self, input_ids: Any, attention_mask: Any = None) -> torch.Tensor:
        return self.logits


def predicted(data: Data, split: Any, tags: list[list[int]]) -> dict[str, Any]:
    tokenizer = recurrent.lstm(made()[0], width=8, embedding=8).processor
    task = TokenClassification(data, tokenizer)
    encoded = encode_split(split, task)
    [batch] = Feeder(encoded, batch_size=8, device=torch.device("cpu"), resident=False).once()
    order = batch.rows.tolist()
    places = [batch["words"][row, : batch.lengths["words"][row]].tolist() for row in range(batch.size)]
    oracle = Oracle([tags[number] for number in order], places, batch["input_ids"].shape[1])
    told = task.predict(Parts.of(oracle, "m"), batch)
    return {name: [rows[order.index(number)] for number in range(batch.size)] for name, rows in told.items()}


def test_predicts_names_with_their_places() -> None:
    data, splits = made()
    told = predicted(data, splits["test"], [tags for _, tags in SENTENCES])["entities"]
    assert [[(each["label"], each["text"]) for each in row] for row in told] == [
        [("PER", "Anna"), ("LOC", "New York")],
        [("LOC", "São Tomé"), ("LOC", "Príncipe")],
        [("PER", "Peter Okafor")],
        [],
    ]
    for row, (text, _) in zip(told, SENTENCES, strict=True):
        for each in row:
            assert text[each["start"] : each["end"]] == each["text"]
            assert each["probability"] == pytest.approx(0.973, abs=1e-3)


def test_a_raw_text_is_cut_into_words() -> None:
    """What somebody types has no labels, and a word for every mark; places are those in what was typed."""
    data, _ = made()
    text = "  Anna's in New York."
    rows = Dataset.from_dict({"tokens": [text]})
    [[anna, york]] = predicted(data, rows, [[3, 0, 0, 1, 2, 0]])["entities"]
    assert (anna["text"], anna["start"], anna["end"]) == ("Anna", 2, 6)
    assert (york["text"], york["start"], york["end"]) == ("New York", 12, 20)


def test_a_word_may_hold_a_space() -> None:
    data, splits = made(tokens=[["New York", "is"]], tags=[[1, 0]])
    [[place]] = predicted(data, splits["test"], [[1, 0]])["entities"]
    assert (place["text"], place["start"], place["end"]) == ("New York", 0, 8)


def test_classes_that_are_no_spans_are_told_word_by_word() -> None:
    data, splits = made()
    data.classes = ["DET", "NOUN", "VERB", "ADJ", "ADV"]
    told = predicted(data, splits["test"], [tags for _, tags in SENTENCES])
    assert [(each["label"], each["text"]) for each in told["labels"][2]] == [("ADJ", "Peter"), ("ADV", "Okafor")]


def test_what_lies_beyond_the_models_length_is_told_of() -> None:
    data, splits = made()
    task = TokenClassification(data, recurrent.lstm(data, tokenizer="words", max_length=5).processor)
    with pytest.warns(UserWarning, match="4 words lie beyond the 5 tokens"):
        encoded = task.encode(next(chunks(splits["train"], 10)))
    assert [len(encoded[name].values) for name in ("words", "target")] == [10, 10]


def test_a_word_of_nothing_has_the_piece_behind_it() -> None:
    data, splits = made(tokens=[["a", "\u200d\u00ad", "b"]], tags=[[0, 1, 0]])
    encoded = TokenClassification(data, recurrent.lstm(made()[0]).processor).encode(next(chunks(splits["train"], 10)))
    assert len(encoded["words"].values) == len(encoded["target"].values) == 3


def test_a_run_is_used_again(tmp_path: Path) -> None:
    """What is stored of a run finds names in a text that somebody types: tokenizer, weights and classes come back."""
    sizes = {"model.width": 24, "model.embedding": 24, "dataset.rows": 800, "optimizer.lr": 1e-2}
    settings = {"epochs": 6, "batch_size": 16, "threads": 1, "device": "cpu", "home": str(tmp_path)}
    run = modrack.train(model="gru", dataset="cldr-entities", **settings, **sizes)
    assert run.metrics["test.span-f1"] > 0.3
    experiment, data, parts = load_stored(run)
    task = experiment.one("task").component.factory(data, parts.processor)
    encoded = encode_split(Dataset.from_dict({data.input: ["Flights to Germany leave every 4 hours."]}), task)
    [batch] = Feeder(encoded, batch_size=1, device=torch.device("cpu"), resident=False).once()
    with torch.no_grad():
        [told] = task.predict(parts, batch)["entities"]
    assert ("Germany", 11) in [(each["text"], each["start"]) for each in told]


def test_mistakes() -> None:
    data, splits = made(tokens=[["a", "b"]], tags=[[0]])
    tokenizer = recurrent.lstm(made()[0]).processor
    with pytest.raises(modrack.UserError, match="2 words in 'tokens' and 1 labels in 'tags'"):
        TokenClassification(data, tokenizer).encode(next(chunks(splits["train"], 10)))
    with pytest.raises(modrack.UserError, match="NoneType does not say where a token comes from"):
        TokenClassification(data, None)
    data, splits = made()
    data.target = "class"
    task, parts = TokenClassification(data, tokenizer), Parts.of(recurrent.lstm(data), "m")
    [batch] = Feeder(
        encode_split(splits["train"], task), batch_size=8, device=torch.device("cpu"), resident=False
    ).once()
    with pytest.raises(modrack.UserError, match="one answer a text"):
        task.step(parts, batch, "train")
