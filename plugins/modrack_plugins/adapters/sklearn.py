"""The tables that come with scikit-learn: real, small, and there without a network: `--dataset sklearn/wine`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import modrack


@dataclass(frozen=True)
class Table:
    """One of them: scikit-learn's loader and what its target is."""

    loader: str
    target: str
    summary: str
    about: str


_TABLES = {
    "iris": Table(
        "load_iris", "class", "150 irises of three species by four lengths", "R. A. Fisher, Annals of Eugenics 7, 1936."
    ),
    "wine": Table(
        "load_wine", "class", "178 wines of three growers by 13 measurements", "UCI set Wine (M. Forina et al., 1991)."
    ),
    "breast-cancer": Table(
        "load_breast_cancer",
        "class",
        "569 tumours, malignant or benign, by 30 measurements of cell nuclei",
        'UCI set "Breast Cancer Wisconsin (Diagnostic)" (W. Wolberg, W. Street, O. Mangasarian, 1995).',
    ),
    "digits": Table(
        "load_digits",
        "class",
        "1,797 handwritten digits as 64 grey values from 0 to 16",
        'The test part of the UCI set "Optical Recognition of Handwritten Digits" (E. Alpaydin, C. Kaynak, 1998).\n'
        "As images they are the dataset digits.",
    ),
    "diabetes": Table(
        "load_diabetes",
        "number",
        "442 patients by ten measurements; the target is how far diabetes went on in a year",
        "B. Efron et al., Annals of Statistics 32, 2004. The ten columns are centred and scaled by scikit-learn.",
    ),
}
_REFUSED = {"linnerud": "a row has three targets, and a column of numbers is one."}


@modrack.hook
def modrack_families() -> list[modrack.Family]:
    """sklearn/* among the datasets."""
    return [modrack.Family("dataset", "sklearn", _names, _make, library="scikit-learn", refused=_REFUSED)]


def _names() -> dict[str, str]:
    return {name: table.summary for name, table in sorted(_TABLES.items())}


def _make(name: str) -> Any:
    table = _TABLES[name]

    def dataset() -> Any:
        import numpy as np
        from datasets import ClassLabel, Dataset, DatasetDict, Features, Sequence, Value
        from sklearn import datasets

        loaded = getattr(datasets, table.loader)()
        inputs = np.asarray(loaded.data, np.float32)
        # Where a row is there twice, one copy could be learned and the other tested.
        first = np.sort(np.unique(np.column_stack([inputs, loaded.target]), axis=0, return_index=True)[1])
        number = table.target == "number"
        names = [] if number else [str(each) for each in loaded.target_names]
        features = Features(
            {
                "features": Sequence(Value("float32"), length=inputs.shape[1]),
                "target": Value("float32") if number else ClassLabel(names=names),
            }
        )
        columns = {"features": list(inputs[first]), "target": loaded.target[first]}
        return DatasetDict({"train": Dataset.from_dict(columns, features=features)})

    dataset.__doc__ = f"{table.summary[:1].upper()}{table.summary[1:]}.\n\n{table.about}"
    return modrack.dataset(gives="tabular", target=table.target)(dataset)
