"""Image classification from pretrained weights beside random ones, on few images of classes that were never seen.

    python benchmarks/transfer.py [--data /usr/share/datasets/fashion-mnist] [--seeds 5] [--few 10 40] [--home FOLDER]
    python benchmarks/transfer.py --model timm/resnet10t

Fashion-MNIST (Xiao et al., 2017, arXiv 1708.07747) is cut in two, and each image laid somewhere on an empty ground of
twice its area, somewhat turned and scaled, as things are in photographs. (As they come all lie alike in the middle. The
pixels alone say nearly all then, and pretraining won next to nothing: RESULTS.md.) A small ResNet of transformers
(or the model of timm that `--model` names) learns five of its ten classes from 4,000 images each, written as a folder
of png files; its checkpoint is in Hugging Face's layout (timm's is its weights). Then the other five classes are
learned from a few images each, from that checkpoint and from random weights, with the same architecture, and by
logistic regression on the pixels. A seed is other few images and another head (or other first weights). Test: 400
images of each of the five classes from Fashion-MNIST's own test set, the same for all.

Learning rates were chosen on seed 100, which is in no figure; random weights get twice as many steps.
"""

from __future__ import annotations

import argparse
import gzip
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from common import spread
from PIL import Image

import modrack

NAMES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")
# Each half has tops, and something else: t-shirt, trouser, pullover, sneaker, bag; the rest.
SEEN, NEW = (0, 1, 2, 7, 8), (3, 4, 5, 6, 9)
SIDE = 40
COMMON: dict[str, Any] = {
    "model": "transformers/resnet", "dataset": "files", "dataset.size": SIDE, "device": "cpu", "threads": 1,
    "scheduler": "linear", "scheduler.warmup": 0.1, "clip": 1.0, "optimizer.weight_decay": 0.05,
    "augmentation": ["crop"], "augmentation.crop.padding": 2,
}  # fmt: skip
RECIPES: dict[str, dict[str, Any]] = {
    "pretrained": {"optimizer.lr": 1e-3},
    "pretrained, layer_decay=0.5": {"optimizer.lr": 2e-3, "layer_decay": 0.5},
    "pretrained, body frozen": {"optimizer.lr": 1e-2, "freeze": ["resnet.*"]},
    "random": {"optimizer.lr": 2e-3},
}


def blank(folder: Path, seed: int) -> str:
    """A checkpoint with random weights, as transformers saves it: half a million of them, for grey images."""
    import torch
    from transformers import ResNetConfig, ResNetForImageClassification

    torch.manual_seed(seed)
    config = ResNetConfig(
        num_channels=1, embedding_size=32, hidden_sizes=[32, 64, 128], depths=[1, 1, 1], layer_type="basic"
    )
    ResNetForImageClassification(config).save_pretrained(folder)
    return str(folder)


def start(folder: Path, seed: int) -> dict[str, Any]:
    """Where random weights come from: a checkpoint; timm makes its models without one, by the run's seed."""
    return {} if COMMON["model"].startswith("timm/") else {"model.checkpoint": blank(folder, seed)}


def images(folder: Path, split: str) -> tuple[Any, Any]:
    """(uint8 (n, 28, 28), labels (n,)) from the two files of a split, in their format (yann.lecun.com's idx)."""
    with gzip.open(folder / f"{split}-images-idx3-ubyte.gz") as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(folder / f"{split}-labels-idx1-ubyte.gz") as file:
        return pixels, np.frombuffer(file.read(), np.uint8, offset=8)


def write(folder: Path, pixels: Any, labels: Any, classes: tuple[int, ...], each: int, seed: int) -> tuple[Any, Any]:
    """`each` images of each class as FOLDER/CLASS/n.png; what was written, as rows of pixels and their classes."""
    draw = np.random.default_rng(seed)
    written = []
    chosen = np.concatenate([draw.permutation(np.flatnonzero(labels == number))[:each] for number in classes])
    for place in chosen:
        file = folder / NAMES[labels[place]] / f"{place}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        image = laid(Image.fromarray(pixels[place]), draw)
        image.save(file)
        written.append(np.asarray(image).flatten() / 255)
    return np.stack(written), labels[chosen]


def laid(image: Image.Image, draw: np.random.Generator) -> Image.Image:
    """The image on a black ground of SIDE × SIDE, turned by up to 30 degrees, at 0.7 to 1 of its size."""
    side = round(image.width * draw.uniform(0.7, 1.0))
    thing = image.rotate(draw.uniform(-30, 30), Image.Resampling.BILINEAR).resize((side, side))
    ground = Image.new("L", (SIDE, SIDE))
    ground.paste(thing, (int(draw.integers(0, SIDE - side + 1)), int(draw.integers(0, SIDE - side + 1))))
    return ground


def pretrain(home: Path, pixels: Any, labels: Any, epochs: int) -> Any:
    """The run that learned the classes of `SEEN`."""
    write(home / "seen", pixels, labels, SEEN, 4000, 0)
    run = modrack.train(
        home=home, epochs=epochs, batch_size=64, seed=0,
        **{**COMMON, **start(home / "blank", 0), "dataset.path": str(home / "seen"), "optimizer.lr": 2e-3},
    )  # fmt: skip
    print(f"pretrained on {', '.join(NAMES[each] for each in SEEN)}: {run.metrics['test.accuracy']:.4f}", flush=True)
    return run


def logistic(train: tuple[Any, Any], test: tuple[Any, Any]) -> float:
    """scikit-learn's logistic regression on the pixels, its strength by cross-validation on the few images."""
    from sklearn.linear_model import LogisticRegressionCV

    made = LogisticRegressionCV(Cs=np.logspace(-4, 2, 7), cv=4, max_iter=2000)
    return float(made.fit(*train).score(*test))


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--data", type=Path, default=Path("/usr/share/datasets/fashion-mnist"))
    words.add_argument("--home", type=Path, help="where runs are kept; none: nowhere")
    words.add_argument("--seeds", type=int, default=5)
    words.add_argument("--first", type=int, default=0, help="the first seed")
    words.add_argument("--few", type=int, nargs="*", default=[10, 40], help="images of each class to learn from")
    words.add_argument("--epochs", type=int, default=6, help="of the pretraining")
    words.add_argument("--checkpoint", help="instead of the pretraining: the folder that it left")
    words.add_argument("--model", default=COMMON["model"], help="timm/NAME: a model of timm in place of the ResNet")
    asked = words.parse_args()
    COMMON["model"] = asked.model
    # timm names its layers in many ways, so that there is no one pattern for a body.
    of_timm = asked.model.startswith("timm/")
    recipes = {name: recipe for name, recipe in RECIPES.items() if not (of_timm and "freeze" in recipe)}
    with tempfile.TemporaryDirectory() as aside:
        home = asked.home or Path(aside)
        pixels, labels = images(asked.data, "train")
        checkpoint = asked.checkpoint or str(
            pretrain(home, pixels, labels, asked.epochs).folder / "checkpoints" / "best"
        )
        for few in asked.few:
            found: dict[str, list[float]] = {name: [] for name in (*recipes, "logistic regression")}
            for seed in range(asked.first, asked.first + asked.seeds):
                folder = home / f"few-{few}-{seed}"
                train = write(folder / "train", pixels, labels, NEW, few, seed)
                test = write(folder / "test", *images(asked.data, "t10k"), NEW, 400, 0)
                for name, recipe in recipes.items():
                    begun = start(folder / "blank", seed) if name == "random" else {"model.checkpoint": checkpoint}
                    # As many steps for any number of images, twice as many from random weights; validation is a few
                    # images, and so is looked at in the end alone.
                    steps = 300 if name == "random" else 150
                    run = modrack.train(
                        home=home, seed=seed, steps=steps, batch_size=16, evaluate_every=steps,
                        **{**COMMON, **recipe, **begun, "dataset.path": str(folder)},
                    )  # fmt: skip
                    found[name].append(run.metrics["test.accuracy"])
                found["logistic regression"].append(logistic(train, test))
            for name, values in found.items():
                print(f"| {few} a class | {name} | {spread(values, 3)} |", flush=True)


if __name__ == "__main__":
    main()
