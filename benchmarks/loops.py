"""modrack's training loop beside a bare PyTorch loop and the Hugging Face Trainer, same model, same data.

    python benchmarks/loops.py digits [--repeats 5]
    python benchmarks/loops.py fashion FOLDER [--epochs 1] [--precision fp32]
    python benchmarks/loops.py reviews FOLDER CHECKPOINT [--epochs 1]

Everything runs in one process and in turn, so that a machine whose speed drifts slows all alike. Times are of
the training loop alone (loading, evaluation and checkpoints excluded for all); ratios are of medians, above 1
where modrack is faster. Accuracies are on the test split after the same number of epochs.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import modrack
from modrack_registry.registry import load_registry

# (seconds, rows trained on, test accuracy)
Result = tuple[float, int, float]


def images(name: str, **options: Any) -> tuple[torch.Tensor, ...]:
    """Train and test images (n, 1, h, w) fp32 in 0..1 and labels of a built-in dataset."""
    made = load_registry().find("dataset", name)
    splits = made.make({}, {key: option.default for key, option in made.options.items()} | options)
    tensors = []
    for split in ("train", "test"):
        table = splits[split].with_format("numpy")
        pixels = np.asarray(table["image"][:]).astype(np.float32) / 255
        tensors += [torch.from_numpy(pixels)[:, None], torch.from_numpy(np.asarray(table["label"][:]))]
    return tuple(tensors)


def tutorial_cnn(shape: tuple[int, ...], classes: int) -> nn.Module:
    """The network of modrack's `cnn` with its defaults, built by the same code."""
    from types import SimpleNamespace

    made = load_registry().find("model", "cnn")
    data = SimpleNamespace(shape=shape, classes=list(range(classes)), gives="image", target="class", restore=None)
    return made.make({"data": data}, {name: option.default for name, option in made.options.items()})


def bare(data: tuple[torch.Tensor, ...], epochs: int, batch_size: int) -> Result:
    """The loop of PyTorch's tutorials: DataLoader, fp32, one `.item()` of the loss every 50 steps."""
    torch.manual_seed(0)
    x, y, tx, ty = data
    model = tutorial_cnn(tuple(x.shape[1:]), int(y.max()) + 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    loader = DataLoader(TensorDataset(x, y), batch_size=batch_size, shuffle=True)
    started = time.perf_counter()
    for _ in range(epochs):
        model.train()
        for step, (image, label) in enumerate(loader):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(image), label)
            loss.backward()
            optimizer.step()
            if step % 50 == 0:
                loss.item()
    seconds = time.perf_counter() - started
    model.eval()
    with torch.no_grad():
        hits = sum(int((model(a).argmax(1) == b).sum()) for a, b in zip(tx.split(256), ty.split(256), strict=True))
    return seconds, epochs * len(x), hits / len(tx)


def ours(words: dict[str, Any]) -> Result:
    """`modrack.train` with its defaults; the time is the one the run records for its loop."""
    with tempfile.TemporaryDirectory() as home:
        run = modrack.train(home=home, **words)
        rows = int(run.params["epochs"]) * int(run.data["sizes"]["train"])
        return rows / (run.samples_per_second or 1), rows, run.metrics["test.accuracy"]


def hf_trainer(model: Any, train: Any, test: Any, collator: Any, epochs: int, batch_size: int, **more: Any) -> Result:
    """transformers.Trainer; what is not said stays at its default."""
    from transformers import Trainer, TrainingArguments

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, num_train_epochs=epochs, per_device_train_batch_size=batch_size, save_strategy="no",
            report_to=[], disable_tqdm=True, logging_steps=50, use_cpu=not torch.cuda.is_available(), **more,
        )  # fmt: skip
        trainer = Trainer(model, arguments, data_collator=collator, train_dataset=train)
        started = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - started
        guess = trainer.predict(test).predictions
        guess = guess[0] if isinstance(guess, tuple) else guess
        return seconds, epochs * len(train), float((guess.argmax(-1) == np.asarray(test["labels"])).mean())


def compare(name: str, runners: dict[str, Callable[[], Result]], repeats: int) -> None:
    """Run all in turn, `repeats` times, and print a table with ratios of the first to each."""
    results: dict[str, list[Result]] = {each: [] for each in runners}
    for _ in range(repeats):
        for each, runner in runners.items():
            results[each].append(runner())
    first = next(iter(runners))
    speeds = {each: statistics.median(rows / seconds for seconds, rows, _ in got) for each, got in results.items()}
    print(f"\n{name}, {repeats} rounds, torch {torch.__version__}, {torch.get_num_threads()} threads\n")
    print("| loop | rows/s | modrack is | test accuracy |\n|---|---|---|---|")
    for each, got in results.items():
        accuracy = statistics.mean(score for _, _, score in got)
        print(f"| {each} | {speeds[each]:.0f} | {speeds[first] / speeds[each]:.2f}× | {accuracy:.4f} |")


def digits(arguments: argparse.Namespace) -> None:
    data, epochs = images("digits"), arguments.epochs or 10
    words = {"model": "cnn", "dataset": "digits", "epochs": epochs, "batch_size": 32}
    compare(
        "cnn on digits, batch 32",
        {"modrack": lambda: ours(words), "bare": lambda: bare(data, epochs, 32)},
        arguments.repeats,
    )


def fashion(arguments: argparse.Namespace) -> None:
    data, epochs = images("idx", path=arguments.folder), arguments.epochs or 1
    words = {
        "model": "cnn", "dataset": "idx", "dataset.path": arguments.folder, "epochs": epochs,
        "precision": arguments.precision,
    }  # fmt: skip
    compare(
        f"the tutorial CNN on Fashion-MNIST, batch 64, precision {arguments.precision}",
        {"modrack": lambda: ours(words), "bare fp32, DataLoader": lambda: bare(data, epochs, 64)},
        arguments.repeats,
    )


def reviews(arguments: argparse.Namespace) -> None:
    from datasets import load_dataset
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding

    epochs = arguments.epochs or 1
    tokenizer = AutoTokenizer.from_pretrained(arguments.checkpoint)
    files = {split: str(Path(arguments.folder) / f"{split}.csv") for split in ("train", "test")}
    raw = load_dataset("csv", data_files=files).class_encode_column("label").rename_column("label", "labels")
    tokens = raw.map(lambda rows: tokenizer(rows["text"], truncation=True), batched=True, remove_columns=["text"])
    collator = DataCollatorWithPadding(tokenizer)

    def trainer(**more: Any) -> Result:
        torch.manual_seed(0)
        model = AutoModelForSequenceClassification.from_pretrained(arguments.checkpoint, num_labels=2)
        return hf_trainer(model, tokens["train"], tokens["test"], collator, epochs, 16, **more)

    words = {
        "model": "bert", "model.checkpoint": arguments.checkpoint, "dataset": "files",
        "dataset.path": arguments.folder, "epochs": epochs, "batch_size": 16,
    }  # fmt: skip
    compare(
        "6-layer BERT on movie reviews, batch 16",
        {
            "modrack": lambda: ours(words),
            "HF Trainer": trainer,
            "HF Trainer, bf16, grouped by length": lambda: trainer(
                bf16=True, train_sampling_strategy="group_by_length"
            ),
        },
        arguments.repeats,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int)
    verbs = parser.add_subparsers(required=True)
    verbs.add_parser("digits").set_defaults(run=digits)
    verb = verbs.add_parser("fashion")
    verb.add_argument("folder")
    verb.add_argument("--precision", default="auto")
    verb.set_defaults(run=fashion)
    verb = verbs.add_parser("reviews")
    verb.add_argument("folder")
    verb.add_argument("checkpoint")
    verb.set_defaults(run=reviews)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
