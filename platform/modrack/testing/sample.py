"""Small made-up data of each sort, for trying components that need some."""

from __future__ import annotations

from typing import Any

from modrack.data.facts import Data, derive
from modrack.data.sounds import as_dataset, write_sound
from modrack.testing.kit import NotApplicable

ROWS, CLASSES = 48, 3
WORDS = ["red", "green", "blue", "tall", "small", "quick", "slow", "old", "new", "warm", "cold", "sweet", "sour"]


def sample(gives: str, target: str = "class") -> tuple[Data, dict[str, Any]]:
    """Facts and splits of a little dataset that gives `gives` with `target`, the same each time.

    Raises NotApplicable for a sort there is no sample of.
    """
    import numpy as np
    from datasets import Array3D, ClassLabel, DatasetDict, Features, Sequence, Value

    generator = np.random.default_rng(0)
    inputs: dict[str, Any] = {
        "image": (Array3D((1, 12, 12), "uint8"), generator.integers(0, 255, (ROWS, 1, 12, 12), np.uint8)),
        "text": (Value("string"), [" ".join(generator.choice(WORDS, generator.integers(2, 9))) for _ in range(ROWS)]),
        "tabular": (Sequence(Value("float32"), length=5), generator.normal(size=(ROWS, 5)).astype(np.float32)),
    }
    if gives == "audio":
        inputs["audio"] = _sounds()
    words = [text.split() for text in inputs["text"][1]]
    if target == "tokens":
        inputs = {"text": (Sequence(Value("string")), words)}
    names = ClassLabel(names=[f"class {number}" for number in range(CLASSES)])
    labels: dict[str, Any] = {
        "class": (names, np.arange(ROWS) % CLASSES),
        "classes": (Sequence(names), [sorted({row % CLASSES, row // CLASSES % CLASSES}) for row in range(ROWS)]),
        "number": (Value("float32"), generator.normal(size=ROWS)),
        "tokens": (Sequence(names), [[len(word) % CLASSES for word in row] for row in words]),
        "text": (Value("string"), [" ".join(row[:2]) for row in words]),
        "several": (
            {"first": names, "second": names, "third": Value("float32")},
            [{"first": row % CLASSES, "second": row // CLASSES % CLASSES, "third": row / 10} for row in range(ROWS)],
        ),
        "none": None,
    }
    if gives not in inputs or target not in labels:
        raise NotApplicable(f"there is no sample data that give {gives} with the target {target}")
    columns = {gives: inputs[gives]} | ({"label": labels[target]} if labels[target] else {})
    features = Features({name: feature for name, (feature, _) in columns.items()})
    table = as_dataset({name: list(values) for name, (_, values) in columns.items()}, features)
    splits = {"train": (0, 32), "validation": (32, 40), "test": (40, 48)}
    made = DatasetDict({name: table.select(range(*rows)) for name, rows in splits.items()})
    return derive(made, name="sample", gives=(gives,), target=(target,))


def _sounds() -> tuple[Any, list[Any]]:
    """A second of noise, or a little more, in each row."""
    import numpy as np
    from datasets import Audio

    rate, generator = 8000, np.random.default_rng(1)
    try:
        files = [write_sound(generator.uniform(-0.5, 0.5, rate + 80 * row), rate) for row in range(ROWS)]
    except ImportError as error:
        raise NotApplicable(f"samples of sounds need {error.name}: pip install 'modrack[audio]'") from None
    return Audio(sampling_rate=rate, decode=False), [{"bytes": file, "path": None} for file in files]
