"""What makes images, beside what makes none: VAE and GANs on digits and on Fashion-MNIST.

    python benchmarks/generative.py digits [--only vae gan wgan-gp] [--seed 0]
    python benchmarks/generative.py /usr/share/datasets/fashion-mnist [--epochs N] [--limit ROWS]

Prints, for a VAE of either body, the evidence lower bound on test beside that of each pixel's mean over train; for
either game, the Fréchet distance after the first epoch and the least one, both on validation, and the one on test of
the weights of the least. Its features are those of a `cnn` trained here on the labels. Beside it stand noise, images
whose every pixel is another image's, and real images of train, as many as there are in test.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import whole_splits
from torch.nn import functional as F

import modrack
from modrack.past import looking_in
from modrack_plugins.metrics.features import features_of
from modrack_plugins.metrics.frechet import Moments, distance


def pixels(words: dict[str, Any], model: str) -> dict[str, torch.Tensor]:
    """{split: images fp32 (n, channels, height, width) from 0 to 1}, as a run has them."""
    data, splits = whole_splits(model=model, **words)
    return {name: torch.from_numpy(np.stack(rows[data.input])).float() / 255 for name, rows in splits.items()}


def vae(words: dict[str, Any], home: Path) -> None:
    images = {split: each.flatten(1) for split, each in pixels(words, "vae").items()}
    mean = images["train"].mean(0).clamp(1e-6, 1 - 1e-6)
    dull = -F.binary_cross_entropy(mean.expand_as(images["test"]), images["test"], reduction="none").sum(1).mean()
    for body in ("conv", "mlp"):
        run = modrack.train(model="vae", home=home, **words, **{"model.body": body})
        ours = run.metrics["test.elbo"]
        print(f"| vae, {body} | ELBO {ours:.1f} | each pixel its mean: {dull:.1f} |", flush=True)


def game(task: str, words: dict[str, Any], home: Path, classifier: Any) -> None:
    features = f"run:{classifier.id}"
    run = modrack.train(
        model="dcgan", task=task, home=home, **words,
        **{"metric": ["frechet-distance"], "metric.frechet-distance.features": features},
    )  # fmt: skip
    _, distances, _ = run.history("validation.frechet-distance")
    first, least, test = distances[0], min(distances), run.metrics["test.frechet-distance"]
    print(f"| {task} | {first:.1f} | {least:.1f} | {first / least:.1f}× | {test:.1f} |", flush=True)


def beside(words: dict[str, Any], home: Path, classifier: Any) -> None:
    """Distances from the images of test to what no network made."""
    images = pixels(words, "dcgan")
    train, test = images["train"], images["test"]
    draw = torch.Generator().manual_seed(0)
    rows = torch.randint(len(train), (len(test), train[0].numel()), generator=draw)
    mixed = train.flatten(1).gather(0, rows).view_as(test)
    made = {
        "noise": torch.rand(test.shape, generator=draw),
        "pixels of other images": mixed,
        "real images": train[torch.randperm(len(train), generator=draw)[: len(test)]],
    }
    # A run that is named is looked for there.
    with looking_in(home), torch.no_grad():
        see = features_of(f"run:{classifier.id}", tuple(train.shape[1:]))
        real = moments(see, test)
        for name, each in made.items():
            other = moments(see, each)
            found = distance(real.mean, real.covariance, other.mean, other.covariance)
            print(f"| {name} | | | | {found:.1f} |", flush=True)


def moments(see: Any, images: torch.Tensor) -> Moments:
    found = Moments()
    for some in images.split(256):
        found.add(see(some))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="digits, or a folder of idx files")
    parser.add_argument("--only", nargs="*", default=["vae", "gan", "wgan-gp"])
    parser.add_argument("--epochs", type=int, help="of the VAE and the games, in place of the defaults")
    parser.add_argument("--limit", type=int, help="rows of a split")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int)
    asked = parser.parse_args()
    of_data = {"dataset": "digits"} if asked.data == "digits" else {"dataset": "idx", "dataset.path": asked.data}
    common: dict[str, Any] = of_data | {"seed": asked.seed, "limit": asked.limit, "device": "cpu"}
    common |= {"threads": asked.threads} if asked.threads else {}
    words = common | ({"epochs": asked.epochs} if asked.epochs else {})
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        if "vae" in asked.only:
            vae(words, home)
        games = [task for task in ("gan", "wgan-gp") if task in asked.only]
        if games:
            shape = {} if asked.data == "digits" else {"epochs": 3}
            classifier = modrack.train(model="cnn", home=home, **common | shape | {"model.hidden": 64})
            print(f"\nfeatures of a cnn, {classifier.metrics['test.accuracy']:.3f} right on test\n", flush=True)
            print("| | epoch 1 | least | falls by | test |\n|---|---|---|---|---|")
            for task in games:
                game(task, words, home, classifier)
            beside(common, home, classifier)


if __name__ == "__main__":
    main()
