"""Data sets of torchvision, from a local folder that holds their files: `--dataset torchvision/cifar10`.

Nothing is downloaded. The folder is the one that torchvision calls root. The files of CIFAR are pickles: torchvision
opens them only where their digests are those of the published ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Gt

import modrack

_BY_TRAIN = {"train": {"train": True}, "test": {"train": False}}
_BY_SPLIT = {"train": {"split": "train"}, "test": {"split": "test"}}
_THREE = {**_BY_SPLIT, "validation": {"split": "val"}}


@dataclass(frozen=True)
class Source:
    """One set: torchvision's class, what it is, how its splits are asked for, and its files below the folder."""

    called: str
    summary: str
    splits: dict[str, dict[str, Any]]
    files: tuple[str, ...]


def _idx(called: str, summary: str) -> Source:
    files = [f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
    return Source(called, summary, _BY_TRAIN, tuple(f"{called}/raw/{name}" for name in files))


# Read into memory by torchvision, all images of one size.
ARRAYS = {
    "mnist": _idx("MNIST", "70,000 handwritten digits of 28×28 pixels"),
    "fashion-mnist": _idx("FashionMNIST", "70,000 pieces of clothing of 28×28 pixels"),
    "kmnist": _idx("KMNIST", "70,000 cursive Japanese characters of 28×28 pixels"),
    "emnist": Source(
        "EMNIST",
        "handwritten letters and digits of 28×28 pixels, in several selections",
        _BY_TRAIN,
        tuple(
            f"EMNIST/raw/emnist-{{split}}-{part}-{kind}-ubyte"
            for part in ("train", "test")
            for kind in ("images-idx3", "labels-idx1")
        ),
    ),
    "cifar10": Source(
        "CIFAR10",
        "60,000 coloured photographs of 32×32 pixels in 10 classes",
        _BY_TRAIN,
        tuple(
            f"cifar-10-batches-py/{name}"
            for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta")
        ),
    ),
    "cifar100": Source(
        "CIFAR100",
        "60,000 coloured photographs of 32×32 pixels in 100 classes",
        _BY_TRAIN,
        tuple(f"cifar-100-python/{name}" for name in ("train", "test", "meta")),
    ),
    "svhn": Source("SVHN", "99,289 house numbers of 32×32 pixels", _BY_SPLIT, ("train_32x32.mat", "test_32x32.mat")),
    "stl10": Source(
        "STL10",
        "13,000 coloured photographs of 96×96 pixels in 10 classes",
        _BY_SPLIT,
        tuple(f"stl10_binary/{part}_{kind}.bin" for part in ("train", "test") for kind in ("X", "y")),
    ),
    "usps": Source("USPS", "9,298 handwritten digits of 16×16 pixels", _BY_TRAIN, ("usps.bz2", "usps.t.bz2")),
}
# Files of images of any size.
FILES = {
    "image-folder": Source("ImageFolder", "a folder of images a class", {"train": {}}, ("CLASS/x.png",)),
    "eurosat": Source("EuroSAT", "27,000 satellite images in 10 classes", {"train": {}}, ("eurosat/2750/CLASS/x.jpg",)),
    "sun397": Source("SUN397", "108,753 scenes in 397 classes", {"train": {}}, ("SUN397/ClassName.txt",)),
    "food101": Source(
        "Food101", "101,000 dishes in 101 classes", _BY_SPLIT, ("food-101/meta/train.json", "food-101/images/CLASS")
    ),
    "flowers102": Source(
        "Flowers102",
        "8,189 flowers in 102 classes",
        _THREE,
        ("flowers-102/jpg", "flowers-102/imagelabels.mat", "flowers-102/setid.mat"),
    ),
    "dtd": Source("DTD", "5,640 textures in 47 classes", _THREE, ("dtd/dtd/images/CLASS", "dtd/dtd/labels/train1.txt")),
    "fgvc-aircraft": Source(
        "FGVCAircraft", "10,000 aircraft in 100 variants", _THREE, ("fgvc-aircraft-2013b/data/images",)
    ),
    "country211": Source(
        "Country211",
        "63,300 photographs by country",
        {**_BY_SPLIT, "validation": {"split": "valid"}},
        ("country211/train/CLASS/x.jpg",),
    ),
    "rendered-sst2": Source(
        "RenderedSST2", "9,613 sentences as images, by sentiment", _THREE, ("rendered-sst2/train/CLASS/x.png",)
    ),
    "stanford-cars": Source(
        "StanfordCars",
        "16,185 cars in 196 classes",
        _BY_SPLIT,
        ("stanford_cars/devkit/cars_meta.mat", "stanford_cars/cars_train"),
    ),
    "imagenette": Source(
        "Imagenette",
        "13,394 photographs in 10 easy classes of ImageNet",
        {"train": {"split": "train"}, "test": {"split": "val"}},
        ("imagenette2/train/CLASS/x.JPEG",),
    ),
}
Path = Annotated[str, "the folder that torchvision calls root"]
Size = Annotated[int, Gt(0), "pixels of each side that all images are brought to"]
Selection = Annotated[
    Literal["byclass", "bymerge", "balanced", "letters", "digits", "mnist"], "which characters, as EMNIST calls them"
]


@modrack.hook
def modrack_families() -> list[modrack.Family]:
    """torchvision/* among the datasets."""
    return [modrack.Family("dataset", "torchvision", _names, _make, library="torchvision")]


def _names() -> dict[str, str]:
    return {name: source.summary for name, source in sorted({**ARRAYS, **FILES}.items())}


def _make(name: str) -> Any:
    arrays = name in ARRAYS
    source = ARRAYS[name] if arrays else FILES[name]

    def in_memory(*, path: Path) -> Any:
        from modrack_plugins.adapters.torchvision_sets import read_arrays

        return read_arrays(name, source, path, {})

    def selected(*, path: Path, split: Selection = "balanced") -> Any:
        from modrack_plugins.adapters.torchvision_sets import read_arrays

        return read_arrays(name, source, path, {"split": split})

    def in_files(*, path: Path, size: Size = 64) -> Any:
        from modrack_plugins.adapters.torchvision_sets import read_files

        return read_files(name, source, path, size)

    dataset: Any = in_files if not arrays else selected if name == "emnist" else in_memory
    dataset.__doc__ = (
        f"{source.summary[:1].upper()}{source.summary[1:]}.\n\ntorchvision.datasets.{source.called}, read from a "
        f"folder with {', '.join(source.files[:4])}{' …' if len(source.files) > 4 else ''}."
    )
    return modrack.dataset(gives="image", target="class")(dataset)
