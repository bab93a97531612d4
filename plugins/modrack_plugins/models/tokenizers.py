"""Tokenizers trained on the data, for models that start from random weights; and how they are read again."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

# padding, unknown, start, end, mask: BERT's names, and RoBERTa's in RoBERTa's order.
BERT = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
ROBERTA = {"cls_token": "<s>", "pad_token": "<pad>", "sep_token": "</s>", "unk_token": "<unk>", "mask_token": "<mask>"}


def train_tokenizer(
    texts: Iterable[str], kind: str, vocabulary: int, max_length: int, *, sentence_marks: bool = False
) -> Any:
    """A fast tokenizer that frames every text with its start and end mark; the same for the same texts.

    `kind` is wordpiece, bpe, words or characters. `sentence_marks` takes RoBERTa's names for the special tokens.
    """
    names = ROBERTA if sentence_marks else BERT
    special = list(names.values())
    trained = {"wordpiece": _wordpiece, "bpe": _bpe, "words": _words, "characters": _characters}[kind]
    made = trained(texts, vocabulary, special, names)
    start, end = names["cls_token"], names["sep_token"]
    made.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        pair=f"{start} $A {end} $B {end}",
        special_tokens=[(start, made.token_to_id(start)), (end, made.token_to_id(end))],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        model_max_length=max_length,
        model_input_names=["input_ids", "attention_mask"],
        bos_token=start,
        eos_token=end,
        **names,
    )


def read_tokenizer(folder: Path) -> Any:
    """The tokenizer in `folder`, as it was saved. Raises what transformers raises, and OSError."""
    described = folder / "tokenizer_config.json"
    kind = json.loads(described.read_text("utf-8")).get("tokenizer_class") if described.is_file() else None
    # AutoTokenizer would go by the model's architecture and put that one's own rules in the place of the saved ones.
    saved = kind in (PreTrainedTokenizerFast.__name__, "PreTrainedTokenizerFast")
    reader = PreTrainedTokenizerFast if saved and (folder / "tokenizer.json").is_file() else AutoTokenizer
    return reader.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def _wordpiece(texts: Iterable[str], vocabulary: int, special: list[str], names: dict[str, str]) -> Any:
    texts = list(texts)
    # The trainer numbers continuing characters in an order that changes from process to process, and breaks ties
    # between merges by number. So they are found first, and given in order.
    known = _train_wordpiece(texts, 0, special).get_vocab()
    continuing = sorted(token for token in known if len(token) == 3 and token.startswith("##"))
    numbers = _train_wordpiece(texts, vocabulary, [*special, *continuing]).get_vocab()
    made = _pieces(models.WordPiece(numbers, unk_token=names["unk_token"]))
    made.decoder = decoders.WordPiece()
    return made


def _train_wordpiece(texts: list[str], vocabulary: int, first: list[str]) -> Any:
    made = _pieces(models.WordPiece())
    made.train_from_iterator(
        texts, trainers.WordPieceTrainer(vocab_size=vocabulary, special_tokens=first, show_progress=False)
    )
    return made


def _pieces(model: Any) -> Any:
    made = Tokenizer(model)
    made.normalizer = normalizers.NFC()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return made


def _bpe(texts: Iterable[str], vocabulary: int, special: list[str], names: dict[str, str]) -> Any:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=max(vocabulary, 256 + len(special)),
        special_tokens=special,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    made.train_from_iterator(texts, trainer)
    return made


def _words(texts: Iterable[str], vocabulary: int, special: list[str], names: dict[str, str]) -> Any:
    normalizer, cutter = normalizers.NFC(), pre_tokenizers.BertPreTokenizer()
    counts = Counter(word for text in texts for word, _ in cutter.pre_tokenize_str(normalizer.normalize_str(text)))
    made = _level(counts, vocabulary, special, names)
    made.normalizer, made.pre_tokenizer = normalizer, cutter
    return made


def _characters(texts: Iterable[str], vocabulary: int, special: list[str], names: dict[str, str]) -> Any:
    made = _level(Counter(character for text in texts for character in text), vocabulary, special, names)
    made.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    made.decoder = decoders.Fuse()
    return made


def _level(counts: Counter[str], vocabulary: int, special: list[str], names: dict[str, str]) -> Any:
    """One that numbers whole words."""
    # The most frequent ones; ties by the word itself, so that the result does not hang on their order.
    known = sorted(counts, key=lambda word: (-counts[word], word))[: vocabulary - len(special)]
    numbers = {token: number for number, token in enumerate([*special, *sorted(known)])}
    return Tokenizer(models.WordLevel(numbers, unk_token=names["unk_token"]))
