"""Named entities offline: sentences composed around the real names of territories, languages and currencies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Gt, Lt

import modrack

if TYPE_CHECKING:
    from modrack_plugins.datasets.composing import Names


# What a sentence is about that has names of several kinds, or no name.
MIXED, NOTHING = "several", "none"


@modrack.dataset(name="cldr-entities", gives="text", target=("tokens", "several"), example={"rows": 300})
def cldr_entities(
    *,
    rows: Annotated[
        int, Gt(9), "sentences to train on; a tenth and a fifth as many more for validation and test"
    ] = 6000,
    held: Annotated[float, Gt(0), Lt(0.5), "share of the names for test, and half as many for validation"] = 0.2,
    scheme: Annotated[Literal["bio", "bioes"], "how spans are tagged"] = "bio",
    seed: Annotated[int, Ge(0), "of the split of the names, and of the sentences"] = 0,
    about: Annotated[bool, "a second target, a class a sentence: the kind of its names"] = False,
) -> Any:
    """Composed English sentences with territories, languages and currencies, whose names are those of Unicode's CLDR.

    No name in test or validation occurs in a sentence to train on, nor as part of a longer name there: only how a name
    is built and what stands around it help. The sentences are the same each time for one version of Babel.
    """
    from datasets import ClassLabel, Dataset, DatasetDict, Features, Sequence, Value

    from modrack_plugins.datasets.composing import compose, divide
    from modrack_plugins.spans import write_spans

    pools = divide(_names(), held, seed)
    kinds = sorted(pools["train"])
    prefixes = "BI" if scheme == "bio" else "BIES"
    tags = ["O", *(f"{prefix}-{kind}" for kind in kinds for prefix in prefixes)]
    label: Any = Sequence(ClassLabel(names=tags))
    if about:
        label = {"tags": label, "about": ClassLabel(names=[*kinds, MIXED, NOTHING])}
    features = Features({"tokens": Sequence(Value("string")), "tags": label})
    seen: set[str] = set()
    splits: dict[str, Any] = {}
    for split, size in (("train", rows), ("validation", rows // 10), ("test", rows // 5)):
        sentences = compose(pools[split], size, (seed, len(splits)), seen)
        splits[split] = Dataset.from_dict(
            {
                "tokens": [words for words, _ in sentences],
                "tags": [
                    {"tags": tags, "about": _about(spans)} if about else tags
                    for tags, spans in ((write_spans(spans, len(words), scheme), spans) for words, spans in sentences)
                ],
            },
            features=features,
        )
    return DatasetDict(splits)


def _about(spans: list[tuple[str, int, int]]) -> str:
    kinds = {kind for kind, _, _ in spans}
    return MIXED if len(kinds) > 1 else next(iter(kinds), NOTHING)


def _names() -> Names:
    """The English names by kind, without those that are not names (unknown, testing) or have remarks in brackets."""
    from babel import Locale

    locale = Locale.parse("en")
    no_places = {"ZZ", "XA", "XB", "QO", "EU", "EZ", "UN"}
    no_languages = {"und", "mul", "mis", "zxx"}
    # X stands for what no state issues: metals, funds, tests. These four are of unions of states.
    unions = {"XAF", "XOF", "XCD", "XPF"}
    tables = {
        "TERRITORY": [n for key, n in locale.territories.items() if key.isalpha() and key not in no_places],
        "LANGUAGE": [n for key, n in locale.languages.items() if key not in no_languages],
        "CURRENCY": [n for key, n in locale.currencies.items() if key[0] != "X" or key in unions],
    }
    found = {
        kind: {name for name in table if not any(mark.isdigit() or mark in "()[]," for mark in name)}
        for kind, table in tables.items()
    }
    # A name of two kinds has no right answer.
    return {
        kind: sorted(names.difference(*(other for each, other in found.items() if each != kind)))
        for kind, names in found.items()
    }
