"""Folders of sounds: classes from folders, labels and transcripts from metadata, and what is amiss with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modrack.data.facts import Data, derive
from modrack.data.rows import chunks
from modrack_plugins.datasets.asterisk import TRANSCRIPTS, asterisk, spelled
from modrack_plugins.datasets.audiofolder import audiofolder
from modrack_registry.errors import UserError

soundfile = pytest.importorskip("soundfile")
ALLISON = Path("/usr/share/asterisk/sounds/en_US_f_Allison")


def sound(path: Path, rate: int = 8000, seconds: float = 0.25) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(len(str(path))).uniform(-0.5, 0.5, int(rate * seconds)), rate)
    return path


def facts(folder: Path, like: Data | None = None, **options: Any) -> tuple[Data, dict[str, Any]]:
    made = audiofolder(like, path=str(folder), **options)
    return derive(made, name="audiofolder", gives="audio", target=("class", "text"))


def test_a_folder_a_class(tmp_path: Path) -> None:
    for split, rows in (("train", 4), ("dev", 2), ("test", 2)):
        for name in ("cat", "dog"):
            for row in range(rows):
                sound(tmp_path / split / name / f"{row}.{'flac' if row % 2 else 'wav'}", 8000 if row % 2 else 22050)
    sound(tmp_path / "train" / "cat" / ".hidden.wav")
    data, splits = facts(tmp_path)
    assert (data.classes, data.target, data.sample_rate) == (["cat", "dog"], "class", 16000)
    assert data.sizes == {"train": 8, "validation": 4, "test": 4}
    rows = next(chunks(splits["train"], 10))
    assert {len(each) for each in rows["audio"]} == {4000}
    assert rows["label"].tolist() == [0] * 4 + [1] * 4


def test_classes_without_split_folders_are_cut(tmp_path: Path) -> None:
    for row in range(10):
        sound(tmp_path / ("a" if row % 2 else "b") / f"{row}.wav")
    data, _ = facts(tmp_path, rate=8000)
    assert data.classes == ["a", "b"]
    assert sum(size or 0 for size in data.sizes.values()) == 10
    assert data.cuts


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.parametrize("inside", [True, False], ids=["a table a split", "one table"])
def test_transcripts_from_metadata(form: str, inside: bool, tmp_path: Path) -> None:
    tables: dict[Path, list[dict[str, str]]] = {}
    for split in ("train", "test"):
        for row in range(4):
            sound(tmp_path / split / f"{row}.wav")
            place = tmp_path / split if inside else tmp_path
            name = f"{row}.wav" if inside else f"{split}/{row}.wav"
            tables.setdefault(place, []).append({"file_name": name, "sentence": f"it is, {row}"})
    for place, rows in tables.items():
        if form == "csv":
            text = "file_name,sentence\n" + "".join(f'{row["file_name"]},"{row["sentence"]}"\n' for row in rows)
        else:
            text = "".join(json.dumps(row) + "\n" for row in rows)
        (place / f"metadata.{form}").write_text(text)
    data, splits = facts(tmp_path)
    assert (data.target, data.label) == ("text", "transcript")
    assert data.sizes["test"] == 4
    assert next(chunks(splits["test"], 10))["transcript"] == [f"it is, {row}" for row in range(4)]


def test_labels_from_metadata_and_columns_that_are_said(tmp_path: Path) -> None:
    for row in range(6):
        sound(tmp_path / f"{row}.wav")
    lines = "".join(f"{row}.wav,{'ab'[row % 2]},word {row}\n" for row in range(6))
    (tmp_path / "metadata.csv").write_text("file_name,label,text\n" + lines)
    with pytest.raises(UserError, match="which column"):
        facts(tmp_path)
    assert facts(tmp_path, label="label")[0].classes == ["a", "b"]
    assert facts(tmp_path, label="text")[0].target == "text"
    assert facts(tmp_path, label="label", transcripts=True)[0].target == "text"
    with pytest.raises(UserError, match="no such column"):
        facts(tmp_path, label="nothing")


def test_what_is_measured_has_the_classes_and_the_rate_that_were_learned(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        for row in range(3):
            sound(tmp_path / "one/train" / name / f"{row}.wav")
    learned, _ = facts(tmp_path / "one", rate=8000)
    for row in range(4):
        sound(tmp_path / "two" / "c" / f"{row}.wav")
    data, splits = facts(tmp_path / "two", like=learned)
    assert (data.classes, data.sample_rate) == (["a", "b", "c"], 8000)
    assert set(splits["train"]["label"]) == {2}


def test_what_is_amiss_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        facts(tmp_path / "none")
    with pytest.raises(UserError, match="no sound in it; it holds nothing"):
        facts(tmp_path)
    loose = sound(tmp_path / "x.wav")
    with pytest.raises(UserError, match="in no class's folder"):
        facts(tmp_path)
    (tmp_path / "metadata.csv").write_text("file_name,label\nx.wav,a\ny.wav,b\n")
    with pytest.raises(UserError, match=r"row 2: there is no file .*y\.wav"):
        facts(tmp_path)
    (tmp_path / "metadata.csv").write_text("name,label\nx.wav,a\n")
    with pytest.raises(UserError, match="no column file_name"):
        facts(tmp_path)
    (tmp_path / "metadata.csv").unlink()
    loose.unlink()
    for name in ("a", "b"):
        sound(tmp_path / "train" / name / "1.wav")
    sound(tmp_path / "test" / "c" / "1.wav")
    with pytest.raises(UserError, match="class 'c' does not occur in train"):
        facts(tmp_path)


def test_transcripts_of_asterisk_are_words_alone() -> None:
    assert spelled(" That agent's already logged on.  Please, enter") == "that agent's already logged on please enter"
    assert spelled(" [this is a simple beep tone]") == spelled("press 1") == spelled(" ... ") == ""


@pytest.mark.skipif(
    not ALLISON.is_dir() or not Path(TRANSCRIPTS).is_file(), reason="Debian's asterisk-core-sounds-en-wav is missing"
)
def test_asterisk_is_read() -> None:
    data, splits = derive(asterisk(path=str(ALLISON), longest=5), name="asterisk", gives="audio", target="text")
    assert (data.target, data.sample_rate) == ("text", 8000)
    assert sum(size or 0 for size in data.sizes.values()) > 200
    assert set(data.classes or []) <= {"", " ", "'", *"abcdefghijklmnopqrstuvwxyz"}
    rows = next(chunks(splits["test"].select(range(20)), 20))
    for samples, text in zip(rows["audio"], rows["transcript"], strict=True):
        assert len(samples) <= 5 * 8000
        assert len(text) < len(samples) / 8000 * 40


def test_asterisk_without_its_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        asterisk(path=str(tmp_path / "none"))
    listed = tmp_path / "t.txt"
    with pytest.raises(UserError, match="no such file"):
        asterisk(path=str(tmp_path), transcripts=str(listed))
    listed.write_text("hello: Hello.\n")
    with pytest.raises(UserError, match="no recording of"):
        asterisk(path=str(tmp_path), transcripts=str(listed))
