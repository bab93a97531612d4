"""torchvision/* among the datasets, from small files in the real formats. test_own_environment.py runs this."""

from __future__ import annotations

import bz2
import json
import struct

import numpy as np
import pytest
from PIL import Image

import modrack
from modrack.data.facts import derive
from modrack_registry.errors import UserError

torchvision = pytest.importorskip("torchvision")
pytestmark = pytest.mark.slow
GENERATOR = np.random.default_rng(4)


def facts(made):
    return derive(made, name="it")


def write_idx(file, array):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes())


def write_digits(folder, stem=("train", "t10k"), classes=10, first=0):
    kept = {}
    for part, rows in zip(stem, (40, 20), strict=True):
        kept[part] = GENERATOR.integers(0, 255, (rows, 28, 28), np.uint8)
        write_idx(folder / f"{part}-images-idx3-ubyte", kept[part])
        write_idx(folder / f"{part}-labels-idx1-ubyte", (np.arange(rows) % classes + first).astype(np.uint8))
    return kept


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST", "KMNIST"])
def test_the_mnist_format(make, tmp_path, name):
    kept = write_digits(tmp_path / name / "raw")
    spelled = {"FashionMNIST": "fashion-mnist"}.get(name, name.lower())
    made = make("dataset", f"torchvision/{spelled}", {}, path=str(tmp_path))
    data, splits = facts(made)
    assert (data.gives, data.target, data.shape, len(data.classes)) == ("image", "class", (1, 28, 28), 10)
    assert (len(made["train"]), len(made["test"]), set(data.cuts)) == (40, 20, {"validation"})
    assert np.array_equal(np.asarray(made["test"][3]["image"]).reshape(28, 28), kept["t10k"][3])
    assert made["test"][3]["label"] == 3
    assert data.classes == [str(each) for each in getattr(torchvision.datasets, name).classes]
    assert splits["test"].num_rows == 20


def test_emnist_has_selections(make, tmp_path):
    for split, classes in (("letters", 26), ("digits", 10)):
        folder = tmp_path / "EMNIST" / "raw"
        stems = (f"emnist-{split}-train", f"emnist-{split}-test")
        write_digits(folder, stems, classes, first=split == "letters")
    letters = make("dataset", "torchvision/emnist", {}, path=str(tmp_path), split="letters")
    assert facts(letters)[0].classes[:3] == ["N/A", "a", "b"]
    assert len(facts(make("dataset", "torchvision/emnist", {}, path=str(tmp_path), split="digits"))[0].classes) == 10
    with pytest.raises(UserError) as caught:
        make("dataset", "torchvision/emnist", {}, path=str(tmp_path))
    assert "EMNIST/raw/emnist-balanced-train-images-idx3-ubyte" in caught.value.hint


@pytest.mark.parametrize(("name", "classes"), [("CIFAR10", 10), ("CIFAR100", 100)])
def test_cifar(make, tmp_path, monkeypatch, name, classes):
    import pickle  # noqa: TID251 (CIFAR's files are pickles, which torchvision opens where their digests are right)

    kind = getattr(torchvision.datasets, name)
    path = str(tmp_path)
    key = "labels" if name == "CIFAR10" else "fine_labels"
    folder = tmp_path / kind.base_folder
    folder.mkdir()
    for file, _ in (*kind.train_list, *kind.test_list):
        rows = {"data": GENERATOR.integers(0, 255, (12, 3072), np.uint8), key: [row % classes for row in range(12)]}
        (folder / file).write_bytes(pickle.dumps(rows))
    (folder / kind.meta["filename"]).write_bytes(
        pickle.dumps({kind.meta["key"]: [f"kind {n}" for n in range(classes)]})
    )
    with pytest.raises(UserError, match=f"torchvision/{name.lower()}: .*Dataset not found or corrupted"):
        make("dataset", f"torchvision/{name.lower()}", {}, path=path)
    for part in ("train_list", "test_list"):
        monkeypatch.setattr(kind, part, [[file, None] for file, _ in getattr(kind, part)])
    monkeypatch.setattr(kind, "meta", kind.meta | {"md5": None})
    data, splits = facts(make("dataset", f"torchvision/{name.lower()}", {}, path=path))
    assert (data.shape, len(data.classes), data.classes[3]) == ((3, 32, 32), classes, "kind 3")
    assert splits["test"].num_rows == 12
    assert np.array_equal(
        np.asarray(splits["test"][5]["image"]).reshape(-1),
        kind(path, train=False).data[5].transpose(2, 0, 1).reshape(-1),
    )


def test_svhn(make, tmp_path, monkeypatch):
    from scipy.io import savemat

    kind = torchvision.datasets.SVHN
    for split in ("train", "test"):
        rows = {"X": GENERATOR.integers(0, 255, (32, 32, 3, 30), np.uint8), "y": np.arange(30)[:, None] % 10 + 1}
        savemat(tmp_path / f"{split}_32x32.mat", rows)
    lists = {split: [*each[:2], None] for split, each in kind.split_list.items()}
    monkeypatch.setattr(kind, "split_list", lists)
    data, splits = facts(make("dataset", "torchvision/svhn", {}, path=str(tmp_path)))
    assert (data.shape, len(data.classes)) == ((3, 32, 32), 10)
    assert splits["test"][9]["label"] == 0  # Ten stands for nought there.


def test_usps(make, tmp_path, monkeypatch):
    kind = torchvision.datasets.USPS
    pixels = " ".join(f"{place + 1}:{-1 + place / 128:.3f}" for place in range(256))
    for file in ("usps.bz2", "usps.t.bz2"):
        (tmp_path / file).write_bytes(bz2.compress("".join(f"{row % 10 + 1} {pixels}\n" for row in range(30)).encode()))
    monkeypatch.setattr(kind, "split_list", {key: [*each[:2], None] for key, each in kind.split_list.items()})
    data, _ = facts(make("dataset", "torchvision/usps", {}, path=str(tmp_path)))
    assert (data.shape, len(data.classes)) == ((1, 16, 16), 10)


def write_images(folder, count, size=20, suffix="jpg"):
    folder.mkdir(parents=True)
    for number in range(count):
        pixels = GENERATOR.integers(0, 255, (size + number, size, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.{suffix}")


def test_a_folder_of_images(make, tmp_path):
    for split, count in (("train", 6), ("val", 2), ("test", 3)):
        for name in ("cat", "dog"):
            write_images(tmp_path / split / name, count)
    data, splits = facts(make("dataset", "torchvision/image-folder", {}, path=str(tmp_path), size=16))
    assert (data.shape, data.classes, data.cuts) == ((3, 16, 16), ["cat", "dog"], {})
    assert data.sizes == {"train": 12, "validation": 4, "test": 6}
    assert [row["label"] for row in splits["validation"]] == [0, 0, 1, 1]
    data, _ = facts(make("dataset", "torchvision/image-folder", {}, path=str(tmp_path / "train")))
    assert (data.shape, set(data.cuts)) == ((3, 64, 64), {"test", "validation"})


def test_eurosat(make, tmp_path):
    for name in ("Forest", "River"):
        write_images(tmp_path / "eurosat" / "2750" / name, 5)
    data, _ = facts(make("dataset", "torchvision/eurosat", {}, path=str(tmp_path), size=32))
    assert (data.classes, data.shape) == (["Forest", "River"], (3, 32, 32))


def test_food101(make, tmp_path):
    root = tmp_path / "food-101"
    for name in ("soup", "toast"):
        write_images(root / "images" / name, 4)
    (root / "meta").mkdir()
    for split, numbers in (("train", (0, 1, 2)), ("test", (3,))):
        listed = {name: [f"{name}/{number}" for number in numbers] for name in ("soup", "toast")}
        (root / "meta" / f"{split}.json").write_text(json.dumps(listed))
    data, _ = facts(make("dataset", "torchvision/food101", {}, path=str(tmp_path), size=8))
    assert (data.sizes["test"], data.classes) == (2, ["soup", "toast"])


@pytest.mark.parametrize(
    ("name", "folder", "splits", "classes", "suffix"),
    [
        ("country211", "country211", ("train", "valid", "test"), ("AD", "AE"), "jpg"),
        ("rendered-sst2", "rendered-sst2", ("train", "valid", "test"), ("negative", "positive"), "png"),
        ("imagenette", "imagenette2", ("train", "val"), ("n01440764", "n02102040"), "JPEG"),
    ],
)
def test_folders_of_splits(make, tmp_path, name, folder, splits, classes, suffix):
    for split in splits:
        for each in classes:
            write_images(tmp_path / folder / split / each, 3, suffix=suffix)
    data, _ = facts(make("dataset", f"torchvision/{name}", {}, path=str(tmp_path), size=8))
    assert data.sizes["train"] >= 5
    assert data.sizes["test"] == 6
    assert len(data.classes) >= 2


def test_every_set_says_what_its_folder_lacks(registry, make, tmp_path):
    for member in registry.listing("dataset", "torchvision/*"):
        assert "path" in registry.find("dataset", member.name).options
        with pytest.raises(UserError) as caught:
            make("dataset", member.name, {}, path=str(tmp_path))
        assert str(tmp_path) in caught.value.message, member.name
        assert caught.value.hint, member.name
    with pytest.raises(UserError, match="there is no such folder"):
        make("dataset", "torchvision/mnist", {}, path=str(tmp_path / "gone"))


def test_a_damaged_image_is_named(make, tmp_path):
    for name in ("cat", "dog"):
        write_images(tmp_path / name, 3)
    (tmp_path / "cat" / "1.jpg").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"cat/1\.jpg: the image cannot be read"):
        make("dataset", "torchvision/image-folder", {}, path=str(tmp_path))


def test_one_trains(tmp_path):
    write_digits(tmp_path / "MNIST" / "raw")
    run = modrack.train(
        model="cnn", dataset="torchvision/mnist", steps=1, home=tmp_path, **{"dataset.path": str(tmp_path)}
    )
    assert run.status == "finished"
    (used,) = [each for each in run.components if each["kind"] == "dataset"]
    assert used["full"] == "modrack/torchvision/mnist"
