"""Sounds: read at one rate whatever the files have, kept as they are, refused when they are none."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from datasets import Audio, ClassLabel, DatasetDict, Features, Value

from modrack.data.casting import Casting
from modrack.data.conform import conform
from modrack.data.encoding import encode_input
from modrack.data.facts import Data, derive
from modrack.data.rows import chunks
from modrack.data.sounds import as_dataset, read_sound, write_sound
from modrack_registry.errors import UserError

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("soxr")


def tone(rate: int, pitch: float = 440.0, seconds: float = 0.5) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * pitch * np.arange(int(rate * seconds)) / rate)).astype(np.float32)


@pytest.mark.parametrize(("form", "subtype"), [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("MP3", None), ("WAV", "FLOAT")])
@pytest.mark.parametrize("channels", [1, 2])
def test_all_formats_are_read_at_one_rate(form: str, subtype: str | None, channels: int) -> None:
    kept = io.BytesIO()
    soundfile.write(kept, np.stack([tone(44100)] * channels, 1), 44100, format=form, subtype=subtype)
    found = read_sound(kept.getvalue(), 16000, "it")
    assert found.dtype == np.float32
    assert found.ndim == 1
    assert abs(len(found) - 8000) < 600  # MP3 puts silence around.
    spectrum = np.abs(np.fft.rfft(found))
    assert abs(spectrum.argmax() * 16000 / len(found) - 440) < 5
    assert abs(np.abs(found[1000:7000]).max() - 0.5) < 0.05


def test_what_is_written_comes_back_exactly() -> None:
    samples = tone(8000)
    assert np.array_equal(read_sound(write_sound(samples, 8000), 8000, "it"), samples)


@pytest.mark.parametrize(
    "content",
    # An empty sound notes when it was written: as its name it would be another one each second.
    [b"", b"no sound at all", b"RIFF\x10\x00\x00\x00WAVEfmt ", pytest.param(write_sound([], 8000), id="empty")],
)
def test_no_sound_is_refused(content: bytes) -> None:
    with pytest.raises(UserError, match=r"^it: the sound (cannot be read|is empty)"):
        read_sound(content, 8000, "it")


def test_an_empty_or_missing_file_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    with pytest.raises(UserError, match=r"a\.wav: the sound cannot be read \(the file is empty\)"):
        read_sound(tmp_path / "a.wav", 8000, "a.wav")
    with pytest.raises(UserError, match="No such file"):
        read_sound(tmp_path / "b.wav", 8000, "b.wav")


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = write_sound(tone(8000), 8000)
    monkeypatch.setitem(sys.modules, "soxr", None)
    with pytest.raises(UserError, match="needs soxr") as caught:
        read_sound(sound, 8000, "it")
    assert "pip install 'modrack[audio]'" in str(caught.value)


def made(rate: int | None, *, files: list[bytes] | None = None, text: bool = False) -> tuple[Data, dict]:
    files = files or [write_sound(tone(own, 300 + own / 100), own) for own in (8000, 16000, 22050, 8000)]
    label = Value("string") if text else ClassLabel(names=["low", "high"])
    features = Features({"audio": Audio(sampling_rate=rate, decode=False), "said": label})
    column = {
        "audio": [{"bytes": each, "path": None} for each in files],
        "said": ["a b", "b", "a", "c"] if text else [0, 1, 1, 0],
    }
    rows = as_dataset({**column, "said": column["said"][: len(files)]}, features)
    splits = DatasetDict(train=rows, validation=rows, test=rows)
    return derive(splits, name="tones", gives="audio", target="text" if text else "class")


def test_facts_and_rows() -> None:
    data, splits = made(8000)
    assert (data.gives, data.target, data.input, data.label, data.shape) == ("audio", "class", "audio", "said", None)
    assert data.sample_rate == 8000
    again = Data.from_dict(json.loads(json.dumps(data.to_dict())))
    assert again.sample_rate == 8000
    rows = next(chunks(splits["train"], 10))
    assert [len(each) for each in rows["audio"]] == [4000] * 4
    encoded = encode_input(rows, data, None)
    assert encoded["audio"].offsets.tolist() == [0, 4000, 8000, 12000, 16000]
    assert encoded["audio"].values.dtype == np.float32


def test_a_text_is_a_target_only_where_it_is_said() -> None:
    data, splits = made(8000, text=True)
    assert (data.target, data.label) == ("text", "said")
    assert data.classes == ["", " ", "a", "b", "c"]
    guessed, _ = derive(DatasetDict(splits), name="tones", gives="audio")
    assert (guessed.target, guessed.label) == ("none", None)


def test_a_broken_sound_names_its_row() -> None:
    _, splits = made(8000, files=[write_sound(tone(8000), 8000), b"x", write_sound(tone(8000), 8000)])
    with pytest.raises(UserError, match="row 2 of train: the sound cannot be read"):
        next(chunks(splits["train"], 10, "train"))["audio"]


def test_another_dataset_is_read_at_the_rate_that_was_learned() -> None:
    wanted, _ = made(8000)
    found, splits = made(16000)
    rows, notes = conform(splits["test"], found, wanted, "tones", "run 1")
    assert notes == []
    assert {len(each) for each in next(chunks(rows, 10))["audio"]} == {4000}


def test_other_transcripts_have_other_characters_and_still_fit() -> None:
    wanted, _ = made(8000, text=True)
    files = [write_sound(tone(8000), 8000)] * 4
    found, splits = made(8000, files=files, text=True)
    found.classes = ["", "x", "y"]
    rows, _ = conform(splits["test"], found, wanted, "tones", "run 1")
    assert next(chunks(rows, 10))["said"] == ["a b", "b", "a", "c"]


def test_what_is_handed_over_is_brought_to_the_rate(tmp_path: Path) -> None:
    data, _ = made(8000)
    casting = Casting(data)
    file = tmp_path / "a.wav"
    file.write_bytes(write_sound(tone(16000), 16000))
    for value in (file, str(file), file.read_bytes(), {"path": str(file), "bytes": None}, tone(8000)):
        rows = next(chunks(as_dataset({"audio": [casting(value, "it")]}, Features({"audio": casting.feature})), 1))
        assert len(rows["audio"][0]) == 4000
    with pytest.raises(UserError, match="There is no file"):
        casting(str(tmp_path / "b.wav"), str(tmp_path / "b.wav"))
    (tmp_path / "c.wav").write_text("no sound")
    with pytest.raises(UserError, match=r"c\.wav: the sound cannot be read"):
        casting(tmp_path / "c.wav", "c.wav")
    with pytest.raises(UserError, match="a sound is a row of samples"):
        casting(np.zeros((2, 3)), "array")
