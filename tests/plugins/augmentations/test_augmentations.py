"""What augmentations do to images, and that they do the same however batches are cut."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

import modrack
from modrack.configure.resolve import resolve
from modrack.runner.build import build
from modrack.seam import Batch
from modrack_registry.registry import load_registry

DATA: Any = SimpleNamespace(shape=(3, 12, 10), classes=["a", "b", "c"], gives="image", target="class")
NAMES = ("crop", "flip", "cutout", "colour", "mixup")


def change(name: str, **options: Any) -> Any:
    component = load_registry().find("augmentation", name)
    return component.make({"data": DATA}, {key: each.default for key, each in component.options.items()} | options)


def images(rows: int = 6) -> Tensor:
    return torch.randint(1, 256, (rows, 3, 12, 10), generator=torch.Generator().manual_seed(1)).to(torch.uint8)


def batch(image: Tensor, place: int = 0) -> Batch:
    columns = {"image": image, "target": torch.arange(len(image)) % 3}
    return Batch(columns, size=len(image), rows=None, training=True, place=place, key=(7, 0))


@pytest.mark.parametrize("name", NAMES[:4])
def test_a_row_is_changed_alike_wherever_the_batch_is_cut(name: str) -> None:
    image, apply = images(), change(name, **({"size": 4} if name == "cutout" else {}))
    whole = apply(batch(image))["image"]
    halves = [apply(batch(image[:2]))["image"], apply(batch(image[2:], place=2))["image"]]
    assert torch.equal(whole, torch.cat(halves))
    assert whole.dtype == torch.uint8
    assert whole.shape == image.shape
    assert not torch.equal(whole, image)


def test_crop_cuts_a_window_of_the_padded_image() -> None:
    image = images(40)
    cut = change("crop", padding=2)(batch(image))["image"]
    padded = torch.nn.functional.pad(image, (2,) * 4)
    places = set()
    for row in range(40):
        fits = [
            (down, right)
            for down in range(5)
            for right in range(5)
            if torch.equal(cut[row], padded[row, :, down : down + 12, right : right + 10])
        ]
        assert len(fits) == 1
        places.add(fits[0])
    assert len(places) > 12


def test_flip_mirrors_about_half() -> None:
    image = images(60)
    changed = change("flip")(batch(image))["image"]
    mirrored = [torch.equal(changed[row], image[row].flip(-1)) for row in range(60)]
    same = [torch.equal(changed[row], image[row]) for row in range(60)]
    assert all(a or b for a, b in zip(mirrored, same, strict=True))
    assert 15 < sum(mirrored) < 45
    assert torch.equal(change("flip", share=1.0, vertical=True)(batch(image))["image"], image.flip(-2))


def test_cutout_blackens_a_square() -> None:
    image = images(30)
    changed = change("cutout", size=4)(batch(image))["image"]
    for row in range(30):
        black = (changed[row] == 0).all(0)
        assert 1 <= int(black.sum()) <= 16
        assert torch.equal(changed[row][:, ~black], image[row][:, ~black])
        ys, xs = black.nonzero().unbind(1)
        assert int(black.sum()) == int((ys.max() - ys.min() + 1) * (xs.max() - xs.min() + 1))
    with pytest.raises(modrack.UserError, match="12×10"):
        change("cutout", size=10)


def test_colour_moves_brightness_and_contrast_within_bounds() -> None:
    image = torch.full((50, 3, 12, 10), 100, dtype=torch.uint8)
    changed = change("colour", brightness=0.3, contrast=0.0, saturation=0.0)(batch(image))["image"].float()
    assert 70 <= changed.min() < 90
    assert 110 < changed.max() <= 130
    assert changed.flatten(1).std(1).max() == 0
    assert torch.equal(change("colour", brightness=0, contrast=0, saturation=0)(batch(images()))["image"], images())


def test_mixup_blends_images_and_labels_alike() -> None:
    image = images(8)
    mixed = change("mixup", alpha=1.0)(batch(image))
    target = mixed["target"]
    assert target.shape == (8, 3)
    assert torch.allclose(target.sum(1), torch.ones(8))
    hot = torch.nn.functional.one_hot(torch.arange(8) % 3, 3).float()
    for row in range(8):
        if row % 3 == (7 - row) % 3:
            continue
        share = float(target[row, row % 3])
        assert 0.5 <= share <= 1
        assert torch.allclose(target[row], share * hot[row] + (1 - share) * hot[7 - row])
        blended = share * image[row].float() + (1 - share) * image[7 - row].float()
        assert (mixed["image"][row].float() - blended).abs().max() <= 0.51


def rig(**values: Any) -> Any:
    small = {"model": "cnn", "dataset": "digits", "model.width": 4, "model.hidden": 8, "limit": 64, "batch_size": 32}
    return build(resolve(load_registry(), values=small | values))


def test_only_training_batches_are_changed_and_each_draws_its_own_noise() -> None:
    seen: list[Tensor] = []

    def watch(batch: Batch) -> Batch:
        seen.append(batch.uniform(1))
        return batch

    made = rig(augmentation=["flip", "crop"])
    made.change(watch)
    made.change(watch)
    made.update(0, next(made.feeders["train"].epoch(0)))
    assert len(seen) == 2
    assert not torch.equal(*seen)
    validation = next(made.feeders["validation"].once())
    before = validation["image"].clone()
    made.task.prepare(validation)
    assert before.dtype == torch.uint8


@pytest.mark.parametrize("names", [["flip", "crop", "cutout", "colour"]])
def test_accumulated_equals_the_big_batch(names: list[str]) -> None:
    weights = []
    for accumulate in (1, 4):
        made = rig(
            augmentation=names, optimizer="sgd", accumulate=accumulate, precision="fp32", channels_last=False,
            **{"augmentation.cutout.size": 2, "augmentation.crop.padding": 1},
        )  # fmt: skip
        for step, batches in enumerate(made.feeders["train"].epoch(0)):
            made.update(step, batches)
        weights.append(torch.cat([p.detach().flatten() for p in made.parts.parameters()]))
    assert (weights[0] - weights[1]).abs().max() < 1e-5


def test_wrong_uses() -> None:
    with pytest.raises(modrack.UserError, match="augmentation is for images"):
        build(resolve(load_registry(), values={"model": "mlp", "dataset": "sklearn/wine", "augmentation": ["flip"]}))
    with pytest.raises(modrack.UserError, match="padding"):
        resolve(load_registry(), values={"augmentation": ["crop"], "augmentation.crop.padding": 0})
