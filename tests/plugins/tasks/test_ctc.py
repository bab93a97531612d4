"""Speech recognition: what is learned and measured does not hang on padding, and mistakes are counted right."""

from __future__ import annotations

import shutil
import wave
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import modrack
from modrack_plugins.models.mel import LogMel
from modrack_plugins.models.sound_layers import FramesByGru, SoundClassifier
from modrack_plugins.tasks.ctc import Ctc, _edits

needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
ALPHABET = ["", " ", "a", "b", "c"]


def task(**options: Any) -> Ctc:
    data: Any = SimpleNamespace(classes=ALPHABET, input="audio", label="transcript")
    return Ctc(data, None, **options)


class Fixed:
    """A model that says `text`, each character for one frame and a blank after it."""

    def __init__(self, *texts: str) -> None:
        self.paths = [[number for each in text for number in (ALPHABET.index(each), 0)] for text in texts]

    def __call__(self, samples: Any, lengths: Any) -> Any:
        longest = max(map(len, self.paths))
        path = torch.tensor([row + [0] * (longest - len(row)) for row in self.paths])
        return torch.nn.functional.one_hot(path, len(ALPHABET)) * 20.0, torch.tensor([len(row) for row in self.paths])


def batch(*texts: str, training: bool = False) -> Any:
    made = task()
    columns: Any = {
        "audio": [np.zeros(100 + 10 * place, np.float32) for place in range(len(texts))], "transcript": list(texts),
    }  # fmt: skip

    class Rows(dict):  # type: ignore[type-arg]
        pass

    from modrack.runner.encode import Encoded
    from modrack.runner.feeder import Feeder

    encoded = Encoded(made.encode(Rows(columns)), len(texts))
    feeder = Feeder(encoded, batch_size=len(texts), device=torch.device("cpu"), resident=True)
    found = next(feeder.once())
    found.training = training
    return found


@pytest.mark.parametrize("beam", [1, 4])
def test_a_model_that_is_right_makes_no_mistakes(beam: int) -> None:
    parts: Any = SimpleNamespace(model=Fixed("ab ca", "b"))
    given = batch("ab ca", "b")
    made = task(beam=beam).evaluate(parts, given)
    assert made.outputs["word_edits"].tolist() == [0, 0]
    assert made.outputs["words"].tolist() == [2, 1]
    assert made.outputs["characters"].tolist() == [5, 1]
    assert made.loss is not None
    assert float(made.loss) < 0.01
    assert task(beam=beam).predict(parts, given)["text"] == ["ab ca", "b"]


def test_mistakes_are_counted_by_word_and_character() -> None:
    assert _edits(["ab ca", "b", "", "a b c"], ["ab cc", "b", "a", "a c"]) == ([1, 0, 1, 1], [1, 0, 1, 2])


def test_a_character_that_train_lacks_counts_as_a_mistake() -> None:
    parts: Any = SimpleNamespace(model=Fixed("ab", "b"))
    with pytest.warns(UserWarning, match="cannot write"):
        given = batch("abx", "b")
    made = task().evaluate(parts, given)
    assert made.outputs["character_edits"].tolist() == [1, 0]
    assert made.outputs["characters"].tolist() == [3, 1]


def test_sounds_with_fewer_frames_than_characters_are_told_and_teach_nothing() -> None:
    parts: Any = SimpleNamespace(model=Fixed("ab", "b"))
    # Four frames: "aab" needs a blank between its first two, "aabbc" more frames than there are.
    made = task().step(parts, batch("aabbc", "b", training=True), "train")
    assert made.logs["too_short"].tolist() == [1, 0]
    assert torch.isfinite(made.loss).all()  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["frames", "classes"])
def test_padding_changes_nothing(kind: str) -> None:
    torch.manual_seed(0)
    net: Any = FramesByGru(8000, 20, 4, 8, 1, 0.0, 5) if kind == "frames" else SoundClassifier(8000, 20, 4, 2, 0.0, 5)
    net.eval()
    sound = torch.randn(1, 3001)
    alone = net(sound, torch.tensor([3001]))
    padded = net(torch.nn.functional.pad(sound, (0, 4000)), torch.tensor([3001]))
    if kind == "frames":
        assert alone[1].tolist() == padded[1].tolist()
        alone, padded = alone[0], padded[0][:, : alone[0].shape[1]]
    torch.testing.assert_close(alone, padded, atol=1e-4, rtol=1e-4)


def test_features_do_not_hang_on_loudness_and_bear_silence() -> None:
    features = LogMel(8000, 20)
    sound = torch.randn(1, 4000)
    quiet, loud = features(sound * 0.05, torch.tensor([4000]))[0], features(sound, torch.tensor([4000]))[0]
    torch.testing.assert_close(quiet, loud, atol=0.02, rtol=0.02)
    assert torch.isfinite(features(torch.zeros(1, 100), torch.tensor([100]))[0]).all()
    assert torch.isfinite(features(torch.zeros(1, 1), torch.tensor([1]))[0]).all()


@needs_espeak
def test_spoken_strings_are_learned_and_predicted(tmp_path: Path) -> None:
    words: dict[str, Any] = {
        "model": "conv-gru", "model.width": 16, "model.layers": 1, "model.channels": 4, "dataset": "spoken-strings",
        "dataset.rows": 40, "steps": 3, "batch_size": 8, "threads": 1,
    }  # fmt: skip
    run = modrack.train(home=tmp_path, **words)
    assert run.task == "ctc"
    assert {"test.wer", "test.cer", "test.loss"} <= set(run.metrics)
    sound = tmp_path / "a.wav"
    with wave.open(str(sound), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(22050)
        file.writeframes(np.zeros(22050 * 2, np.int16).tobytes())
    (answer,) = run.predict(str(sound))
    assert set(answer) == {"text", "probability"}


@needs_espeak
def test_voices_of_test_are_unheard_in_training() -> None:
    from modrack.configure.resolve import resolve
    from modrack.runner.build import load_data
    from modrack_registry.registry import load_registry

    words = {"model": "audio-cnn", "dataset": "spoken-digits", "dataset.takes": 1}
    data, splits = load_data(resolve(load_registry(), values=words, environment={}))
    voices = {name: set(split["voice"]) for name, split in splits.items()}
    assert not voices["train"] & (voices["test"] | voices["validation"])
    assert data.sample_rate == 8000
    assert data.classes == ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


@needs_espeak
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no sound at all", "the sound cannot be read"),
        (b"", "the sound cannot be read"),
        ("empty", "the sound is empty"),
    ],
)
def test_what_is_no_sound_is_told(content: Any, said: str, tmp_path: Path) -> None:
    words: dict[str, Any] = {
        "model": "audio-cnn", "model.width": 2, "dataset": "spoken-digits", "dataset.takes": 1, "steps": 1, "limit": 20,
    }  # fmt: skip
    run = modrack.train(home=tmp_path, **words)
    place = tmp_path / "x.wav"
    if content == "empty":
        with wave.open(str(place), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000)
    else:
        place.write_bytes(content)
    with pytest.raises(modrack.UserError, match=said):
        run.predict(str(place))


def test_characters_that_the_model_cannot_write_are_told() -> None:
    class Rows(dict):  # type: ignore[type-arg]
        pass

    def encode(*texts: str) -> Any:
        return task().encode(Rows({"audio": [np.zeros(10, np.float32)] * len(texts), "transcript": list(texts)}))

    with pytest.warns(UserWarning, match="1 of 2 transcripts have characters that the model cannot write.* x"):
        encode("ab x", "b")
    with pytest.raises(modrack.UserError, match="knows none of the characters of the transcripts: A B"):
        encode("AB A")
