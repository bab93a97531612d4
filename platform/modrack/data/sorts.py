"""What sort of thing a column holds, read from its feature.

| feature                                     | as input | as target |
|---------------------------------------------|----------|-----------|
| Image, Array2D, Array3D                     | image    |           |
| Value("string"), Value("large_string")      | text     |           |
| list of them: a text in its words           | text     |           |
| Audio                                       | audio    |           |
| fixed-length list of numbers                | tabular  |           |
| {name: Value or ClassLabel}, a struct       | tabular  |           |
| ClassLabel                                  |          | class     |
| list of ClassLabel                          |          | classes, tokens |
| Value("float…")                             |          | number    |
| Value("string"), where the dataset says so  |          | text      |
| {name: a class, classes, tokens or number}, where it says so | | several |
"""

from __future__ import annotations

from typing import Any

INPUTS = ("image", "text", "audio", "tabular")


def input_sort(feature: Any) -> str | None:
    """The sort of an input column, or None for a column that is no input."""
    name = type(feature).__name__
    if name in ("Image", "Array2D", "Array3D"):
        return "image"
    if name == "Audio":
        return "audio"
    if _is_string(feature) or is_words(feature):
        return "text"
    if is_record(feature):
        return "tabular"
    inner = _inner(feature)
    if inner is not None and type(inner).__name__ == "Value" and _is_number(inner.dtype) and _length(feature) > 0:
        return "tabular"
    return None


def is_record(feature: Any) -> bool:
    """Whether a column holds rows of a table: named numbers and categories."""
    return (
        isinstance(feature, dict)
        and bool(feature)
        and all(
            type(each).__name__ == "ClassLabel" or (type(each).__name__ == "Value" and _is_number(each.dtype))
            for each in feature.values()
        )
    )


def categories(feature: Any) -> dict[int, list[str]]:
    """The names of each column of a row that holds categories, by its place in the row."""
    if not is_record(feature):
        return {}
    found = enumerate(feature.values())
    return {place: list(each.names) for place, each in found if type(each).__name__ == "ClassLabel"}


def is_words(feature: Any) -> bool:
    """Whether a column holds texts that are cut into words: lists of strings."""
    return _is_string(_inner(feature))


# Tables are full of remarks, and rows of categories are inputs: these are what to learn only where a dataset says so.
SAID = ("text", "several")


def target_sorts(feature: Any, worded: bool = False) -> tuple[str, ...]:
    """The sorts a column can be a target of, the likeliest first; empty for a column that is no target.

    Beside `worded` texts a list of classes is one a word.
    """
    if type(feature).__name__ == "ClassLabel":
        return ("class",)
    inner = _inner(feature)
    if type(inner).__name__ == "ClassLabel":
        return ("tokens", "classes") if worded else ("classes", "tokens")
    if type(feature).__name__ == "Value" and feature.dtype.startswith("float"):
        return ("number",)
    if isinstance(feature, dict) and len(feature) > 1:
        single = [set(target_sorts(each)) - set(SAID) for each in feature.values()]
        return ("several",) if all(single) else ()
    return ("text",) if _is_string(feature) else ()


def class_names(feature: Any) -> list[str] | None:
    """The names of the classes of a target column."""
    inner = feature if type(feature).__name__ == "ClassLabel" else _inner(feature)
    return list(inner.names) if type(inner).__name__ == "ClassLabel" else None


def _is_string(feature: Any) -> bool:
    return type(feature).__name__ == "Value" and feature.dtype in ("string", "large_string")


def _inner(feature: Any) -> Any:
    if isinstance(feature, list):
        return feature[0]
    return getattr(feature, "feature", None)


def _length(feature: Any) -> int:
    return int(getattr(feature, "length", -1))


def _is_number(dtype: str) -> bool:
    return dtype.startswith(("float", "int", "uint", "double", "bool"))
