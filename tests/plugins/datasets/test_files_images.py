"""Folders of images, and tables that hold or name them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from PIL import Image

import modrack
from modrack.data.facts import derive
from modrack_registry.registry import load_registry


def read(path: Path, **options: Any) -> Any:
    component = load_registry().find("dataset", "files")
    defaults = {name: option.default for name, option in component.options.items()}
    return component.make({}, {**defaults, "path": str(path), **options})


def paint(path: Path, value: Any, mode: str = "L", size: tuple[int, int] = (6, 4)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path)
    return path


def test_a_folder_a_class(tmp_path: Path) -> None:
    for name, value in (("cat/1.png", 10), ("cat/old/2.png", 20), ("dog/1.PNG", 30), ("dog/2.jpg", 40)):
        paint(tmp_path / name, value)
    paint(tmp_path / ".thumbnails/1.png", 99)
    paint(tmp_path / "dog/._1.png", 99)
    made = read(tmp_path, size=8)
    assert made["train"].features["label"].names == ["cat", "dog"]
    assert made["train"]["label"][:] == [0, 0, 1, 1]
    data, _ = derive(made, name="files", gives=("text", "tabular", "image"), target=("class",))
    assert (data.gives, data.shape) == ("image", (1, 8, 8))
    assert [np.asarray(image).mean() for image in made["train"]["image"]] == [10, 20, 30, 40]


def test_split_folders_and_colours(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        paint(tmp_path / split / "a/1.png", (200, 100, 0), "RGB")
        paint(tmp_path / split / "b/1.png", 50)
    made = read(tmp_path, size=4)
    assert set(made) == {"train", "validation", "test"}
    first, second = (np.asarray(image) for image in made["test"]["image"])
    assert first.shape == (3, 4, 4)
    assert first[:, 0, 0].tolist() == [200, 100, 0]
    assert second[:, 0, 0].tolist() == [50, 50, 50]


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [("I;16", 257 * 77, [77]), ("LA", (77, 10), [77]), ("1", 1, [255]), ("RGBA", (7, 8, 9, 10), [7, 8, 9])],
)
def test_modes_keep_their_brightness(mode: str, value: Any, expected: list[int], tmp_path: Path) -> None:
    paint(tmp_path / "a/1.png", value, mode)
    paint(tmp_path / "b/1.png", value, mode)
    assert np.asarray(read(tmp_path, size=2)["train"]["image"][0])[:, 0, 0].tolist() == expected


def test_a_photograph_stands_as_its_camera_says(tmp_path: Path) -> None:
    pixels = np.zeros((40, 40), np.uint8)
    pixels[:20] = 255
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        exif = Image.Exif()
        exif[0x0112] = 3  # turned by 180°
        Image.fromarray(pixels).save(tmp_path / name / "1.jpg", exif=exif)
    image = np.asarray(read(tmp_path, size=4)["train"]["image"][0])[0]
    assert image[0].max() < 50
    assert image[3].min() > 200


def test_a_table_that_names_files(tmp_path: Path) -> None:
    paint(tmp_path / "pictures/1.png", 10)
    paint(tmp_path / "pictures/2.png", 20)
    (tmp_path / "a.csv").write_text("file_name,label\npictures/1.png,x\npictures/2.png,y\n")
    made = read(tmp_path / "a.csv", size=2)
    assert np.asarray(made["train"]["image"]).reshape(2, -1).tolist() == [[10] * 4, [20] * 4]
    (tmp_path / "a.csv").write_text("where,label\npictures/1.png,x\npictures/3.png,y\n")
    with pytest.raises(modrack.UserError, match=r"a\.csv, row 2: there is no file .*3\.png"):
        read(tmp_path / "a.csv", image="where")


def test_a_table_that_holds_images(tmp_path: Path) -> None:
    bytes_ = [paint(tmp_path / f"{value}.png", value).read_bytes() for value in (10, 20)]
    for name, column in (("hub", [{"bytes": each, "path": None} for each in bytes_]), ("plain", bytes_)):
        parquet.write_table(pa.table({"image": column, "label": ["x", "y"]}), tmp_path / f"{name}.parquet")
        made = read(tmp_path / f"{name}.parquet", size=2)
        assert [np.asarray(image).mean() for image in made["train"]["image"]] == [10, 20]
    parquet.write_table(pa.table({"image": [bytes_[0], b"no"], "label": ["x", "y"]}), tmp_path / "broken.parquet")
    with pytest.raises(modrack.UserError, match=r"broken\.parquet, row 2: the image cannot be read"):
        read(tmp_path / "broken.parquet")


def test_images_that_cannot_be_read_are_told_together(tmp_path: Path) -> None:
    whole = paint(tmp_path / "a/0.png", 10, size=(200, 200)).read_bytes()
    paint(tmp_path / "b/0.png", 10)
    (tmp_path / "a/1.png").write_bytes(b"\x89PNG but not really")
    (tmp_path / "a/2.png").write_bytes(b"")
    (tmp_path / "b/3.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(modrack.UserError) as caught:
        read(tmp_path)
    lines = caught.value.lines
    assert [line.partition(": the image cannot be read")[0] for line in lines[::2]] == [
        str(tmp_path / name) for name in ("a/1.png", "a/2.png", "b/3.png")
    ]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (("a/1.png",), r"one class only \(a\)"),
        (("a/1.png", "b/1.png", "2.png"), r"2\.png: the image is in no class's folder"),
        (("train/a/1.png", "train/b/1.png", "test/c/1.png"), r"c/1\.png: the class 'c' does not occur in .*train"),
        (("test/a/1.png", "test/b/1.png"), "there is no folder train"),
    ],
)
def test_folders_that_are_refused(files: tuple[str, ...], said: str, tmp_path: Path) -> None:
    for name in files:
        paint(tmp_path / name, 1)
    with pytest.raises(modrack.UserError, match=said):
        read(tmp_path)


def test_columns_of_a_folder_of_images(tmp_path: Path) -> None:
    paint(tmp_path / "a/1.png", 1)
    with pytest.raises(modrack.UserError, match=r"dataset\.label=x: .* has no columns"):
        read(tmp_path, label="x")
