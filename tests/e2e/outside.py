"""A part of each kind in one file, as somebody outside would write it."""

import modrack


@modrack.model(takes="image", gives="logits")
def tiny(data, *, width: int = 16):
    """One hidden layer."""
    import math

    from torch import nn

    size, classes = math.prod(data.shape), len(data.classes)
    return nn.Sequential(nn.Flatten(), nn.Linear(size, width), nn.ReLU(), nn.Linear(width, classes))


@modrack.dataset(gives="image", target="class")
def halves(*, rows: int = 300):
    """Is the upper or the lower half brighter?"""
    import numpy as np
    from datasets import Array2D, ClassLabel, Dataset, DatasetDict, Features

    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, rows)
    images = generator.integers(0, 100, (rows, 6, 6), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[3 * label : 3 * label + 3] += 100
    features = Features({"image": Array2D((6, 6), "uint8"), "label": ClassLabel(names=["upper", "lower"])})
    return DatasetDict(train=Dataset.from_dict({"image": list(images), "label": labels}, features=features))


@modrack.optimizer
def plain(params, *, lr: float = 0.1):
    """Gradient descent."""
    from torch.optim import SGD

    return SGD(params, lr=lr)


@modrack.scheduler
def halving(optimizer, steps):
    """Half the learning rate in the second half."""
    from torch.optim.lr_scheduler import StepLR

    return StepLR(optimizer, max(1, steps // 2), 0.5)


@modrack.metric(better="higher")
class Hits:
    """Share of rows that are right."""

    def __init__(self):
        self.right, self.rows = 0, 0

    def update(self, logits, target):
        self.right = self.right + (logits.argmax(-1) == target).sum()
        self.rows += len(target)

    def compute(self):
        return self.right / self.rows


@modrack.task(takes="image", target="class", needs="logits")
class Hinge(modrack.Task):
    """Classification by margins."""

    emits = ("logits", "target")

    def step(self, parts, batch, phase):
        from torch.nn import functional as F

        logits = self.forward(parts.model, batch)
        loss = F.multi_margin_loss(logits.float(), batch["target"], reduction="sum")
        return modrack.Step(loss, {"logits": logits, "target": batch["target"]})


@modrack.callback
class Diary:
    """Writes down what it sees."""

    def __init__(self, *, file: str = "diary.txt"):
        self.file = file

    def started(self, training):
        self.lines = ["started"]

    def evaluated(self, training):
        self.lines.append(f"step {training.step}: {training.values['validation.hits']:.3f}")

    def ended(self, training):
        (training.folder / self.file).write_text("\n".join(self.lines))


@modrack.hook
def modrack_run_started(run):
    (run.folder / "hook.txt").write_text(f"run {run.id} {run.status}")


@modrack.hook
def modrack_run_ended(run):
    with (run.folder / "hook.txt").open("a") as file:
        file.write(f"\nrun {run.id} {run.status}")
