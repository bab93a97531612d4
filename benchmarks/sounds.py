"""Figures of sounds, each beside an honest baseline on the same rows.

    python benchmarks/sounds.py [digits] [strings] [asterisk] [--epochs N]

Each trains on all rows and prints a row of a table; `--epochs` in place of the default.
`asterisk` wants Debian's asterisk-core-sounds-en-wav.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from common import whole_splits

import modrack
from modrack.runner.remeasure import remeasure

ALLISON = "/usr/share/asterisk/sounds/en_US_f_Allison"


def splits_of(model: str, dataset: str, **options: Any) -> dict[str, Any]:
    """{split: all its rows}, as a run has them."""
    data, splits = whole_splits(model=model, dataset=dataset, **options)
    return {name: (rows, data) for name, rows in splits.items()}


def mean_mels(sounds: list[Any], rate: int) -> Any:
    """Mean and deviation of each log-mel band over a sound, before any standardising: (sounds, 2 × 40)."""
    import torch
    from transformers.audio_utils import mel_filter_bank

    filters = torch.as_tensor(mel_filter_bank(129, 40, 20.0, rate / 2, rate, mel_scale="htk"), dtype=torch.float32)
    found = []
    for sound in sounds:
        window = torch.hann_window(200)
        power = torch.stft(torch.as_tensor(sound), 256, 80, 200, window, return_complex=True).abs().square()
        logs = (power.T @ filters).clamp(min=1e-8).log()
        found.append(torch.cat([logs.mean(0), logs.std(0)]).numpy())
    return np.stack(found)


def trained(**words: Any) -> tuple[Any, float]:
    """Metrics on test, those of a beam of 8 prefixes as `beam.…` where sounds are written down, and the seconds."""
    with tempfile.TemporaryDirectory() as home:
        started = time.perf_counter()
        run = modrack.train(home=home, device="cpu", threads=1, precision="fp32", **words)
        seconds, metrics = time.perf_counter() - started, dict(run.metrics)
        if run.task == "ctc":
            by_beam = remeasure(run, words=["task.beam=8", "device=cpu"]).measured.values
            metrics |= {f"beam.{name}": value for name, value in by_beam.items()}
        return metrics, seconds


def error_rates(metrics: Any) -> str:
    """Of words and characters, read greedily and by beam."""
    read = {"greedy": "test", "beam of 8": "beam"}
    return "; ".join(
        f"{how}: WER {metrics[f'{key}.wer']:.4f}, CER {metrics[f'{key}.cer']:.4f}" for how, key in read.items()
    )


def digits(words: dict[str, Any]) -> list[str]:
    """audio-cnn beside the nearest centroid and logistic regression on means and deviations of log-mel bands."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import NearestCentroid
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = splits_of("audio-cnn", "spoken-digits")
    inputs, labels = {}, {}
    for split, (each, data) in rows.items():
        inputs[split], labels[split] = mean_mels(each[data.input], data.sample_rate), np.asarray(each[data.label])
    scores = [
        make_pipeline(StandardScaler(), model)
        .fit(inputs["train"], labels["train"])
        .score(inputs["test"], labels["test"])
        for model in (NearestCentroid(), LogisticRegression(max_iter=2000))
    ]
    metrics, wall = trained(model="audio-cnn", dataset="spoken-digits", **words)
    beside = f"nearest centroid {scores[0]:.4f}, logistic regression {scores[1]:.4f}"
    return ["audio-cnn, spoken-digits", f"accuracy {metrics['test.accuracy']:.4f}", beside, f"{wall:.0f} s"]


def _most_frequent(rows: Any) -> str:
    """Error rates of always writing train's most frequent transcript."""
    from modrack_plugins.tasks.ctc import _edits

    train, data = rows["train"]
    said = rows["test"][0][data.label]
    guess = Counter(train[data.label]).most_common(1)[0][0]
    words, characters = _edits(said, [guess] * len(said))
    wer = sum(words) / sum(len(text.split()) for text in said)
    return f"always {guess!r}: WER {wer:.3f}, CER {sum(characters) / sum(map(len, said)):.3f}"


def strings(words: dict[str, Any]) -> list[str]:
    """conv-gru on strings of digits."""
    beside = _most_frequent(splits_of("conv-gru", "spoken-strings"))
    metrics, wall = trained(model="conv-gru", dataset="spoken-strings", **words)
    return ["conv-gru, spoken-strings", error_rates(metrics), beside, f"{wall:.0f} s"]


def asterisk(words: dict[str, Any]) -> list[str]:
    """conv-gru on a few hundred real recordings: too few to learn English from."""
    if not Path(ALLISON).is_dir():
        return ["conv-gru, asterisk", "not run", "", ""]
    beside = _most_frequent(splits_of("conv-gru", "asterisk", **{"dataset.path": ALLISON}))
    metrics, wall = trained(model="conv-gru", dataset="asterisk", **{"dataset.path": ALLISON}, **words)
    return ["conv-gru, asterisk", error_rates(metrics), beside, f"{wall:.0f} s"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=["digits", "strings", "asterisk"])
    parser.add_argument("--epochs", type=int)
    asked = parser.parse_args()
    words = {"epochs": asked.epochs} if asked.epochs else {}
    for name in asked.names:
        print("| " + " | ".join(globals()[name](words)) + " |", flush=True)
