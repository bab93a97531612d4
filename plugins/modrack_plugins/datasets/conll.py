"""Texts with a tag a word, in files of columns as those of the CoNLL shared tasks."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import modrack


@modrack.dataset(gives="text", target="tokens")
def conll(
    *,
    path: Annotated[str, "a file, several with commas between, or a folder with files called train, dev and test"],
    token: Annotated[int, "the column of words, counted from 0; from the end where it is negative"] = 0,
    tag: Annotated[int, "the column of tags, counted alike"] = -1,
    separator: Annotated[str | None, "between columns; tab: a tab; none: any blanks and tabs"] = None,
    scheme: Annotated[Literal["keep", "bio", "bioes"], "how spans are to be tagged; keep: as in the files"] = "keep",
    comment: Annotated[str | None, "lines that begin so are left out"] = None,
) -> Any:
    """CoNLL files: a word a line with its tag, empty lines between sentences.

    Tags may be BIO, IOB1, BIOES, or no spans at all, as parts of speech. Lines with -DOCSTART- are left out. Splits
    are found by the names of files (train, dev or testa, test or testb); a single file is train.
    """
    from datasets import ClassLabel, Dataset, DatasetDict, Features, Sequence, Value

    from modrack_plugins.datasets.conllrows import Columns, find_splits, read_sentences

    columns = Columns(token, tag, "\t" if separator == "tab" else separator, scheme, comment)
    splits = {split: read_sentences(place, columns) for split, place in find_splits(path).items()}
    found = {tag for sentences in splits.values() for _, tags in sentences for tag in tags}
    # Outside comes first, so that it is class 0 in whatever corpus.
    features = Features(
        {
            "tokens": Sequence(Value("string")),
            "tags": Sequence(ClassLabel(names=sorted(found, key=lambda tag: (tag != "O", tag)))),
        }
    )
    made = {}
    for split, sentences in splits.items():
        words, tags = ([sentence[place] for sentence in sentences] for place in (0, 1))
        made[split] = Dataset.from_dict({"tokens": words, "tags": tags}, features=features)
    return DatasetDict(made)
