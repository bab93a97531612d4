"""modrack's training loop beside a bare PyTorch loop and the Hugging Face Trainer, same model, same data.

    python benchmarks/loops.py [--repeats 5] digits
    python benchmarks/loops.py [--epochs 1] [--words precision=fp32] fashion FOLDER
    python benchmarks/loops.py [--peers bare] reviews FOLDER CHECKPOINT

Everything runs in one process and in turn, so that a machine whose speed drifts slows all alike; a round is another
seed, of weights and of the order of rows. Times are of
the training loop alone (loading, evaluation and checkpoints excluded for all); ratios are of medians, above 1
where modrack is faster. Accuracies are on the test split after the same number of epochs.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import spread
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import modrack
from modrack_registry.registry import load_registry

# (seconds, rows trained on, test accuracy)
Result = tuple[float, int, float]
# Trains once, with a seed.
Runner = Callable[[int], Result]


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


# What differs from the defaults of modrack's `cnn`, for the tiny network on digits.
TINY = {"width": 8, "hidden": 32}
Network = Callable[[], nn.Module]


def cnn(data: tuple[torch.Tensor, ...], **options: Any) -> nn.Module:
    """The network of modrack's `cnn`, as tutorials write it: each ReLU before the pooling, not behind it.

    Both orders give the same numbers.
    """
    from types import SimpleNamespace

    made = load_registry().find("model", "cnn")
    shape, classes = tuple(data[0].shape[1:]), list(range(int(data[1].max()) + 1))
    facts = SimpleNamespace(
        shape=shape, classes=classes, outputs=len(classes), gives="image", target="class", restore=None
    )
    layers = list(made.make({"data": facts}, {name: option.default for name, option in made.options.items()} | options))
    for place in reversed(range(len(layers))):
        if isinstance(layers[place], nn.MaxPool2d):
            after = next(each for each in range(place, len(layers)) if isinstance(layers[each], nn.ReLU))
            layers.insert(place, layers.pop(after))
    return nn.Sequential(*layers)


def device() -> torch.device:
    """Where peers train: the accelerator, if there is one."""
    return torch.accelerator.current_accelerator() or torch.device("cpu")


def wait() -> None:
    """Until the device has done all that it was given."""
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()


def bare(network: Network, data: tuple[torch.Tensor, ...], epochs: int, batch_size: int) -> Result:
    """The loop of PyTorch's tutorials: DataLoader, fp32, one `.item()` of the loss every 50 steps."""
    x, y, tx, ty = data
    place = device()
    model = network().to(place)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    loader = DataLoader(TensorDataset(x, y), batch_size=batch_size, shuffle=True)
    started = time.perf_counter()
    for _ in range(epochs):
        model.train()
        for step, (image, label) in enumerate(loader):
            image, label = image.to(place), label.to(place)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(image), label)
            loss.backward()
            optimizer.step()
            if step % 50 == 0:
                loss.item()
    wait()
    seconds = time.perf_counter() - started
    return seconds, epochs * len(x), accuracy(model, tx, ty)


def accuracy(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Share of `images` whose class `model` finds."""
    place = device()
    model.to(place).eval()
    pairs = zip(images.split(256), labels.split(256), strict=True)
    with torch.no_grad():
        return sum(int((model(a.to(place)).argmax(1) == b.to(place)).sum()) for a, b in pairs) / len(images)


def lightning(network: Network, data: tuple[torch.Tensor, ...], epochs: int, batch_size: int) -> Result:
    """PyTorch Lightning's Trainer with its defaults, without checkpoints; torchmetrics' accuracy logged."""
    import logging

    from lightning.pytorch import LightningModule, Trainer
    from torchmetrics.classification import MulticlassAccuracy

    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    x, y, tx, ty = data
    net, classes = network(), int(y.max()) + 1

    class Module(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = net
            self.accuracy = MulticlassAccuracy(classes)

        def training_step(self, batch: Any, _: int) -> torch.Tensor:
            image, label = batch
            logits = self.net(image)
            loss = F.cross_entropy(logits, label)
            self.accuracy(logits, label)
            self.log("train_accuracy", self.accuracy)
            self.log("train_loss", loss)
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.AdamW(self.parameters(), lr=1e-3)

    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            max_epochs=epochs, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
            default_root_dir=folder, logger=False, devices=1,
        )  # fmt: skip
        module = Module()
        loader = DataLoader(TensorDataset(x, y), batch_size=batch_size, shuffle=True)
        started = time.perf_counter()
        trainer.fit(module, loader)
        wait()
        seconds = time.perf_counter() - started
    return seconds, epochs * len(x), accuracy(module.net, tx, ty)


def accelerate(network: Network, data: tuple[torch.Tensor, ...], epochs: int, batch_size: int) -> Result:
    """The loop of Accelerate's tutorial."""
    from accelerate import Accelerator

    x, y, tx, ty = data
    accelerator = Accelerator(cpu=device().type == "cpu")
    model = network()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    loader = DataLoader(TensorDataset(x, y), batch_size=batch_size, shuffle=True)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    started = time.perf_counter()
    for _ in range(epochs):
        for step, (image, label) in enumerate(loader):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(image), label)
            accelerator.backward(loss)
            optimizer.step()
            if step % 50 == 0:
                loss.item()
    wait()
    return time.perf_counter() - started, epochs * len(x), accuracy(model, tx, ty)


class Plain(nn.Module):
    """A network of images as HF Trainer wants it: the loss and the logits from named columns."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        logits = self.net(image)
        return {"loss": F.cross_entropy(logits, labels), "logits": logits}


def hf_images(network: Network, data: tuple[torch.Tensor, ...], epochs: int, batch_size: int, seed: int) -> Result:
    """transformers.Trainer on tensors in memory."""
    x, y, tx, ty = data
    model = Plain(network())
    rows = [{"image": image, "labels": label} for image, label in zip(x, y, strict=True)]
    seconds, trained, _ = hf_trainer(model, rows, None, None, epochs, batch_size, learning_rate=1e-3, seed=seed)
    return seconds, trained, accuracy(model.net, tx, ty)


def there(**peers: Runner) -> dict[str, Runner]:
    """Those peers whose package is installed."""
    packages = {"Lightning": "lightning", "Accelerate": "accelerate", "HF Trainer": "accelerate"}
    found = {name.replace("_", " "): run for name, run in peers.items()}
    return {name: run for name, run in found.items() if find_spec(packages.get(name, "torch"))}


def ours(words: dict[str, Any], seed: int) -> Result:
    """`modrack.train` with its defaults; the time is the one the run records for its loop."""
    with tempfile.TemporaryDirectory() as home:
        run = modrack.train(home=home, **{"seed": seed, **words})
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
        wait()
        seconds = time.perf_counter() - started
        if test is None:
            return seconds, epochs * len(train), 0.0
        # Labels come in the order of the predictions, which is not the dataset's where it groups by length.
        found = trainer.predict(test)
        guess = found.predictions[0] if isinstance(found.predictions, tuple) else found.predictions
        return seconds, epochs * len(train), float((guess.argmax(-1) == found.label_ids).mean())


def compare(name: str, runners: dict[str, Runner], arguments: argparse.Namespace) -> None:
    """Run all in turn, `--repeats` times, and print a table with ratios of the first to each."""
    wanted, repeats = (arguments.peers or "").split(";"), arguments.repeats
    # A name in full means itself alone, though another begins with it.
    whole = [each for each in wanted if each in runners]
    begun = tuple(each for each in wanted if each not in runners)
    chosen = {*whole, *(peer for peer in runners if peer.startswith(begun))}
    runners = {name: run for name, run in runners.items() if name == "modrack" or name in chosen}
    results: dict[str, list[Result]] = {each: [] for each in runners}
    for seed in range(repeats):
        for each, runner in runners.items():
            torch.manual_seed(seed)
            results[each].append(runner(seed))
            print(f"round {seed}: {each}, {results[each][-1]}", file=sys.stderr, flush=True)
    first = next(iter(runners))
    speeds = {each: statistics.median(rows / seconds for seconds, rows, _ in got) for each, got in results.items()}
    where = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{torch.get_num_threads()} threads"
    print(f"\n{name}, {repeats} rounds, torch {torch.__version__}, {where}\n")
    print("| loop | rows/s | modrack is | test accuracy |\n|---|---|---|---|")
    for each, got in results.items():
        accuracies = spread([accuracy for _, _, accuracy in got])
        print(f"| {each} | {speeds[each]:.0f} | {speeds[first] / speeds[each]:.2f}× | {accuracies} |")


def digits(arguments: argparse.Namespace) -> None:
    data, epochs = images("digits"), arguments.epochs or 10
    words = {"model": "cnn", "dataset": "digits", "epochs": epochs, "batch_size": 32}
    words |= {f"model.{name}": value for name, value in TINY.items()} | extra(arguments)
    title = f"a tiny cnn on digits, batch 32, {arguments.words or 'default plan'}"
    compare(title, image_loops(words, lambda: cnn(data, **TINY), data, epochs, 32), arguments)


def fashion(arguments: argparse.Namespace) -> None:
    x, y, tx, ty = images("idx", path=arguments.folder)
    rows, epochs = slice(arguments.limit), arguments.epochs or 1
    data = (x[rows], y[rows], tx[rows], ty[rows])
    words = {"model": "cnn", "dataset": "idx", "dataset.path": arguments.folder, "epochs": epochs}
    words |= {"limit": arguments.limit} | extra(arguments)
    title = f"the tutorial CNN on Fashion-MNIST, batch 64, {arguments.words or 'default plan'}"
    compare(title, image_loops(words, lambda: cnn(data), data, epochs, 64), arguments)


def image_loops(
    words: dict[str, Any], network: Network, data: tuple[torch.Tensor, ...], epochs: int, batch_size: int
) -> dict[str, Runner]:
    return {"modrack": lambda seed: ours(words, seed)} | there(
        **{
            "bare fp32, DataLoader": lambda _: bare(network, data, epochs, batch_size),
            "Accelerate": lambda _: accelerate(network, data, epochs, batch_size),
            "Lightning": lambda _: lightning(network, data, epochs, batch_size),
            "HF Trainer": lambda seed: hf_images(network, data, epochs, batch_size, seed),
        }
    )


def extra(arguments: argparse.Namespace) -> dict[str, Any]:
    """The words of `--words`, as `modrack train` would take them."""
    pairs = (word.partition("=") for word in (arguments.words or "").split())
    return {path: {"true": True, "false": False}.get(value, value) for path, _, value in pairs}


def reviews(arguments: argparse.Namespace) -> None:
    from datasets import load_dataset
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding

    epochs = arguments.epochs or 1
    tokenizer = AutoTokenizer.from_pretrained(arguments.checkpoint)
    files = {split: str(Path(arguments.folder) / f"{split}.csv") for split in ("train", "test")}
    raw = load_dataset("csv", data_files=files).class_encode_column("label").rename_column("label", "labels")
    if arguments.limit:
        # The same number of rows, not the same rows: for a look at speed alone.
        raw["train"] = raw["train"].shuffle(seed=0).select(range(arguments.limit))
    tokens = raw.map(lambda rows: tokenizer(rows["text"], truncation=True), batched=True, remove_columns=["text"])
    collator = DataCollatorWithPadding(tokenizer)

    def trainer(seed: int, **more: Any) -> Result:
        model = AutoModelForSequenceClassification.from_pretrained(arguments.checkpoint, num_labels=2)
        return hf_trainer(model, tokens["train"], tokens["test"], collator, epochs, 16, seed=seed, **more)

    words = {
        "model": "bert", "model.checkpoint": arguments.checkpoint, "dataset": "files",
        "dataset.path": arguments.folder, "epochs": epochs, "batch_size": 16, "limit": arguments.limit,
    } | extra(arguments)  # fmt: skip
    compare(
        "6-layer BERT on movie reviews, batch 16",
        {
            "modrack": lambda seed: ours(words, seed),
            "HF Trainer": trainer,
            "HF Trainer, bf16, grouped by length": lambda seed: trainer(
                seed, bf16=True, train_sampling_strategy="group_by_length"
            ),
        },
        arguments,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--limit", type=int, help="rows of a split, for more rounds in the same time")
    parser.add_argument("--peers", help="only those peers of this name, or whose name begins so; semicolons between")
    parser.add_argument("--words", help="options of modrack's runs, as in 'precision=fp32 compile=true'")
    verbs = parser.add_subparsers(required=True)
    verbs.add_parser("digits").set_defaults(run=digits)
    verb = verbs.add_parser("fashion")
    verb.add_argument("folder")
    verb.set_defaults(run=fashion)
    verb = verbs.add_parser("reviews")
    verb.add_argument("folder")
    verb.add_argument("checkpoint")
    verb.set_defaults(run=reviews)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
