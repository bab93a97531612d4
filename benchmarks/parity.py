"""The first losses of modrack's loop beside those of a bare loop and of the Hugging Face Trainer.

    python benchmarks/parity.py
    python benchmarks/parity.py --checkpoint FOLDER --reviews FOLDER

Parity mode: fp32, no dropout, rows in the order of the dataset, the same first weights, AdamW with a constant learning
rate and no decay. What differs then is a mistake, or the order of additions.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from modrack.configure.resolve import resolve
from modrack.runner.build import build
from modrack.runner.rig import Rig
from modrack_registry.registry import load_registry

STEPS = 20
RATE = 1e-3
SAME = {
    "precision": "fp32", "scheduler": "constant", "clip": None, "optimizer": "adamw", "optimizer.weight_decay": 0.0,
    "threads": 1,
}  # fmt: skip

Rows = list[dict[str, torch.Tensor]]


def rig(**values: Any) -> Rig:
    """What `modrack train` would train, rows in the order of the dataset."""
    made = build(resolve(load_registry(), values=SAME | values, environment={}))
    made.feeders["train"].arrange(lambda epoch: torch.arange(made.feeders["train"].size))
    return made


def ours(made: Rig) -> list[float]:
    losses = []
    for step, batches in zip(range(STEPS), made.feeders["train"].epoch(0), strict=False):
        made.update(step, batches)
        losses.append(made.update.take()[0]["loss"])
    return losses


class Judged(nn.Module):
    """A network as HF Trainer wants it."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(
        self, labels: torch.Tensor, num_items_in_batch: Any = None, **given: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        out = self.net(given["image"]) if "image" in given else self.net(**given).logits
        return {"loss": F.cross_entropy(out, labels), "logits": out}


def bare(model: nn.Module, steps: list[dict[str, torch.Tensor]], rate: float) -> list[float]:
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0)
    losses = []
    for batch in steps:
        optimizer.zero_grad()
        loss = model(**batch)["loss"]
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def hf_trainer(model: nn.Module, rows: Rows, batch_size: int, rate: float, collate: Any) -> list[float]:
    from transformers import Trainer, TrainingArguments

    class InOrder(Trainer):
        def _get_train_sampler(self, train_dataset: Any = None) -> Any:
            return torch.utils.data.SequentialSampler(train_dataset or self.train_dataset)

        def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
            # Its log rounds to four digits.
            loss = super().compute_loss(*args, **kwargs)
            losses.append(loss.item())
            return loss

    losses: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, max_steps=STEPS, per_device_train_batch_size=batch_size, save_strategy="no", report_to=[],
            disable_tqdm=True, logging_steps=1, use_cpu=True, learning_rate=rate, lr_scheduler_type="constant",
            weight_decay=0.0, max_grad_norm=0.0, remove_unused_columns=False,
        )  # fmt: skip
        trainer = InOrder(model, arguments, train_dataset=rows, data_collator=collate)
        trainer.train()
        return losses


def prepared(made: Rig, batch_size: int) -> tuple[list[dict[str, torch.Tensor]], Rows]:
    """The first steps as any loop would be fed them, and the same rows one by one."""
    steps = []
    for (batch,), _ in zip(made.feeders["train"].epoch(0), range(STEPS), strict=False):
        ready = made.task.prepare(batch)
        if "input_ids" in ready:
            mask = ready.mask("input_ids").long()
            steps.append({"input_ids": ready["input_ids"].long(), "attention_mask": mask, "labels": ready["target"]})
        else:
            steps.append({"image": ready["image"], "labels": ready["target"]})
    return steps, [{name: value[row] for name, value in step.items()} for step in steps for row in range(batch_size)]


def compare(title: str, made: Rig, batch_size: int) -> None:
    rate = float(made.update.optimizers["model"].param_groups[0]["lr"])
    first = Judged(copy.deepcopy(made.parts.model))
    for module in first.modules():
        # The peers get each layer as its library wrote it.
        vars(module).pop("forward", None)
    steps, rows = prepared(made, batch_size)
    mine = ours(made)

    def collate(features: Rows) -> dict[str, torch.Tensor]:
        width = max(len(each["input_ids"]) for each in features) if "input_ids" in features[0] else 0

        def padded(value: torch.Tensor) -> torch.Tensor:
            return F.pad(value, (0, width - len(value))) if value.ndim == 1 else value

        return {name: torch.stack([padded(each[name]) for each in features]) for name in features[0]}

    peers = {
        "bare loop": bare(copy.deepcopy(first), steps, rate),
        "HF Trainer": hf_trainer(copy.deepcopy(first), rows, batch_size, rate, collate),
    }
    print(f"\n{title}: losses {mine[0]:.6f} … {mine[-1]:.6f}\n")
    print(f"| beside | largest difference of {STEPS} losses |\n|---|---|")
    for name, losses in peers.items():
        assert len(losses) == len(mine), (name, len(losses))
        print(f"| {name} | {max(abs(a - b) for a, b in zip(mine, losses, strict=True)):.1e} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--reviews", type=Path)
    arguments = parser.parse_args()
    words = {"model": "cnn", "dataset": "digits", "model.width": 8, "model.hidden": 32, "batch_size": 32}
    compare("a tiny cnn on digits, batch 32", rig(**words, **{"optimizer.lr": RATE}), 32)
    if arguments.checkpoint:
        words = {
            "model": "bert", "model.checkpoint": str(arguments.checkpoint), "model.dropout": 0.0, "dataset": "files",
            "dataset.path": str(arguments.reviews), "batch_size": 16, "limit": 16 * STEPS, "optimizer.lr": 5e-5,
        }  # fmt: skip
        compare("6-layer BERT on movie reviews, batch 16", rig(**words), 16)


if __name__ == "__main__":
    main()
