"""Which language is this name in? Real names in many languages, from a package that installs offline."""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Gt, Lt

import modrack

# Written in Latin letters, so that the alphabet alone does not give a language away.
LANGUAGES = {
    "af": "Afrikaans",
    "cs": "Czech",
    "da": "Danish",
    "de": "German",
    "es": "Spanish",
    "et": "Estonian",
    "eu": "Basque",
    "fi": "Finnish",
    "fr": "French",
    "hu": "Hungarian",
    "id": "Indonesian",
    "it": "Italian",
    "lt": "Lithuanian",
    "nl": "Dutch",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "sv": "Swedish",
    "sw": "Swahili",
    "tr": "Turkish",
}


# What a name may be of.
KINDS = ("country", "language", "currency")


@modrack.dataset(gives="text", target=("class", "several"))
def names(
    *,
    test: Annotated[float, Gt(0), Lt(1), "share of the names kept for test"] = 0.15,
    kinds: Annotated[bool, "a second target: whether it names a country, a language or a currency"] = False,
) -> Any:
    """Names of countries, languages and currencies in 20 languages, from Unicode's CLDR by way of Babel.

    Only names that occur in one of the languages are kept, so each has one right answer. The split is the same each
    time for one version of Babel.
    """
    import numpy as np
    from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

    found = _names()
    texts = [name for name, _, _ in found]
    label: Any = ClassLabel(names=list(LANGUAGES.values()))
    labels: list[Any] = [number for _, number, _ in found]
    if kinds:
        label = {"language": label, "kind": ClassLabel(names=list(KINDS))}
        labels = [{"language": number, "kind": kind} for _, number, kind in found]
    features = Features({"text": Value("string"), "label": label})
    order = np.random.default_rng(0).permutation(len(texts))
    cut = round(len(texts) * test)
    return DatasetDict(
        {
            split: Dataset.from_dict(
                {"text": [texts[row] for row in rows], "label": [labels[row] for row in rows]}, features=features
            )
            for split, rows in (("train", order[cut:]), ("test", order[:cut]))
        }
    )


def _names() -> list[tuple[str, int, int]]:
    """Each name with the numbers of its language and its kind, sorted. Of several kinds the first is taken."""
    from babel import Locale

    where: dict[str, set[int]] = {}
    kinds: dict[str, int] = {}
    for number, code in enumerate(LANGUAGES):
        locale = Locale.parse(code)
        for kind, table in enumerate((locale.territories, locale.languages, locale.currencies)):
            for key, name in table.items():
                # A key that is its own name was not translated.
                if name != key:
                    where.setdefault(name, set()).add(number)
                    kinds[name] = min(kind, kinds.get(name, kind))
    unique = sorted((name, next(iter(numbers))) for name, numbers in where.items() if len(numbers) == 1)
    return [(name, number, kinds[name]) for name, number in unique]
