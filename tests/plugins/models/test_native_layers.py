"""Layers computed by kernels in C give what torch's own give, to the rounding of bf16."""

from __future__ import annotations

import copy
import pickle  # noqa: TID251 - users do it
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn

from modrack import native
from modrack.native.build import find_compiler
from modrack_plugins.models import native_layers
from modrack_plugins.models.attention import attend_without_waiting
from modrack_plugins.models.first_token import read_first_token
from modrack_plugins.models.native_layers import compute_natively

pytestmark = pytest.mark.skipif(find_compiler() is None, reason="there is no C compiler")

FAMILIES = ["Bert", "Roberta", "XLMRoberta", "Camembert", "Electra", "DistilBert"]


@pytest.fixture(autouse=True)
def natively() -> Iterator[None]:
    native.use(True)
    yield
    native.use(False)


def classifier(
    family: str = "Bert", attention: str = "eager", dropout: float = 0.0, size: int = 32, **more: Any
) -> Any:
    """Two layers of two heads, each of `size` numbers."""
    width = 2 * size
    if family == "DistilBert":
        sizes: dict[str, Any] = {"dim": width, "n_heads": 2, "n_layers": 2, "hidden_dim": 3 * width}
        sizes |= {"attention_dropout": dropout, "dropout": dropout, "seq_classif_dropout": 0.0}
    else:
        sizes = {"hidden_size": width, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 3 * width}
        sizes |= {"attention_probs_dropout_prob": dropout, "hidden_dropout_prob": dropout}
    config = getattr(transformers, f"{family}Config")(vocab_size=50, **sizes | more)
    torch.manual_seed(0)
    made = getattr(transformers, f"{family}ForSequenceClassification")._from_config(
        config, attn_implementation=attention
    )
    for name, each in made.named_parameters():
        # Larger than they begin, so that every one of them counts.
        nn.init.normal_(each, 1.0 if "norm" in name.lower() and "weight" in name else 0.0, 0.2)
    attend_without_waiting(made)
    return made.train()


def batch(tokens: int = 9, rows: int = 5) -> dict[str, Tensor]:
    torch.manual_seed(1)
    mask = torch.arange(tokens)[None] < torch.randint(1, tokens + 1, (rows, 1))
    return {"input_ids": torch.randint(3, 50, (rows, tokens)), "attention_mask": mask.long()}


def learned(model: nn.Module, given: dict[str, Tensor], *, low: bool = True) -> dict[str, Tensor]:
    """The output and all gradients."""
    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=low):
        logits = model(**given).logits
    (logits.float() * torch.linspace(-1, 2, logits.numel()).view_as(logits)).sum().backward()
    return {"logits": logits.detach().float()} | {
        name: each.grad for name, each in model.named_parameters() if each.grad is not None
    }


def counted(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The layers that are computed natively from now on."""
    seen: list[Any] = []
    encode = native_layers.encode

    def counting(*given: Any) -> Tensor:
        seen.append(given)
        return encode(*given)

    monkeypatch.setattr(native_layers, "encode", counting)
    return seen


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("family", FAMILIES)
def test_outputs_and_gradients_are_torchs(
    family: str, attention: str, first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = classifier(family, attention)
    mine = copy.deepcopy(plain)
    compute_natively(mine, read_first_token(mine) if first else None)
    seen = counted(monkeypatch)
    exact, theirs = learned(plain, batch(), low=False), learned(plain, batch())
    found = learned(mine, batch())
    assert len(seen) == 2
    assert found.keys() == exact.keys()
    for name, whole in exact.items():
        # The keys' bias adds the same to all scores of a query: its gradient is rounding alone.
        if "key.bias" in name or "k_lin.bias" in name:
            continue
        error, usual = ((made[name] - whole).norm() / whole.norm() for made in (found, theirs))
        assert error < 2 * usual + 0.005, (name, error, usual)


@pytest.mark.parametrize("tokens", [1, 2, 7, 8, 15, 16, 17, 31, 33, 64, 100])
@pytest.mark.parametrize("size", [16, 48, 64])
def test_any_width_and_size_of_heads(tokens: int, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = classifier(size=size)
    mine = copy.deepcopy(plain)
    compute_natively(mine)
    seen = counted(monkeypatch)
    exact, theirs = learned(plain, batch(tokens), low=False), learned(plain, batch(tokens))
    found = learned(mine, batch(tokens))
    assert len(seen) == 2
    for name in ("logits", "bert.embeddings.word_embeddings.weight", "bert.encoder.layer.0.intermediate.dense.weight"):
        error, usual = ((made[name] - exact[name]).norm() / exact[name].norm() for made in (found, theirs))
        assert error < 2 * usual + 0.005, (name, error, usual)


def test_dropout_leaves_out_its_share_and_repeats_by_the_seed() -> None:
    model, given = classifier(dropout=0.25), batch()
    compute_natively(model)
    made = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        made.append(learned(model, given))
    assert all(torch.equal(made[0][name], made[1][name]) for name in made[0])
    assert not torch.equal(made[0]["logits"], made[2]["logits"])


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_masks_are_what_they_should_be(share: float) -> None:
    """Ones through a layer whose products are the identity or nothing: what comes out are the masks themselves."""
    from modrack_plugins.models.encoder_layer import FUNCTIONS, SOURCE, Shape, _noises

    kernels: Any = native.library(SOURCE, FUNCTIONS)
    rows, width = 400, 512
    ones, none = torch.ones(rows, width, dtype=torch.bfloat16), torch.zeros(width)
    sums, outs, low = torch.empty(rows, width), torch.empty(rows, width), torch.empty_like(ones)
    facts = torch.empty(2, rows)
    (threshold, scale, *keys), *_ = _noises(Shape(1, 1e-12, share, share, share, first=False))
    kernels.add_norm(
        rows, width, ones, none, torch.zeros(rows, width), width, torch.ones(width), none, 1e-12, sums, outs, low,
        facts[0], facts[1], threshold, scale, *keys,
    )  # fmt: skip
    kept = sums != 0
    assert torch.equal(sums[kept], torch.full((int(kept.sum()),), scale))
    # 204,800 draws: five deviations.
    bound = 5 * (share * (1 - share) / kept.numel()) ** 0.5
    assert abs(1 - kept.float().mean().item() - share) < bound
    assert (1 - kept.float().mean(0) - share).abs().max() < 5 * (share * (1 - share) / rows) ** 0.5
    assert (kept[1:] & kept[:-1]).float().mean().sub((1 - share) ** 2).abs() < 2 * bound


def test_the_backward_goes_through_the_masks_of_the_forward() -> None:
    """A step along the gradient changes the loss by what the gradient says, which with other masks it would not."""
    model, given = classifier(dropout=0.5), batch(12, 64)
    with torch.no_grad():
        # Smaller weights bend less, so that differences tell the slope.
        for name, each in model.bert.encoder.named_parameters():
            each *= 1.0 if "LayerNorm" in name else 0.5
    compute_natively(model)
    layer = model.bert.encoder.layer[0]
    for module in (layer.attention.self.value, layer.attention.self.query, layer.output.dense):
        weight = module.weight

        def loss(moved: Tensor | None = None, weight: Tensor = weight) -> Tensor:
            before = weight.detach().clone()
            if moved is not None:
                weight.data += moved
            torch.manual_seed(3)
            with torch.autocast("cpu", torch.bfloat16):
                found = model(**given).logits.float().square().mean()
            weight.data.copy_(before)
            return found

        model.zero_grad()
        loss().backward()
        size = weight.grad.norm()
        # Central differences of two lengths, extrapolated to none.
        slopes = [(loss(h * weight.grad / size) - loss(-h * weight.grad / size)) / (2 * h) for h in (0.2, 0.1)]
        assert ((4 * slopes[1] - slopes[0]) / 3).item() == pytest.approx(size.item(), rel=0.06)


def test_frozen_weights_get_no_gradient() -> None:
    model = classifier()
    compute_natively(model)
    for layer in model.bert.encoder.layer:
        layer.attention.self.query.requires_grad_(False)
        layer.intermediate.requires_grad_(False)
    found = learned(model, batch())
    assert not [name for name in found if "query" in name or "intermediate" in name]
    assert found["bert.encoder.layer.0.attention.self.key.weight"].abs().sum() > 0


def test_others_are_computed_by_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = counted(monkeypatch)

    def computed(model: Any, low: bool = True, given: dict[str, Tensor] | None = None) -> int:
        compute_natively(model)
        seen.clear()
        learned(model, given or batch(), low=low)
        return len(seen)

    assert computed(classifier()) == 2
    assert computed(classifier(hidden_act="relu")) == 0
    assert computed(classifier(size=24)) == 0
    assert computed(classifier(is_decoder=True)) == 0
    assert computed(classifier(), low=False) == 0
    assert computed(classifier(max_position_embeddings=600), given=batch(native_layers.LONGEST + 1)) == 0
    hooked = classifier()
    hooked.bert.encoder.layer[0].intermediate.dense.register_forward_hook(lambda *_: None)
    assert computed(hooked) == 1
    adapted = classifier()
    adapted.bert.encoder.layer[1].attention.self.query = nn.Sequential(
        adapted.bert.encoder.layer[1].attention.self.query
    )
    assert computed(adapted) == 1
    native.use(False)
    assert computed(classifier()) == 0
    native.use(True)
    model = classifier()
    compute_natively(model)
    seen.clear()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        model(**batch())
        model.eval()(**batch())
    assert not seen


def test_a_copy_computes_with_its_own_weights() -> None:
    model = classifier()
    compute_natively(model)
    twin = copy.deepcopy(model)
    with torch.no_grad():
        for each in twin.bert.encoder.layer.parameters():
            each.zero_()
    for low in (True, False):
        assert not torch.allclose(learned(model, batch(), low=low)["logits"], learned(twin, batch(), low=low)["logits"])
        assert twin.bert.encoder.layer[0].output.dense.weight.abs().sum() == 0


def test_masks_that_are_not_of_padding_are_torchs(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = classifier()
    mine = copy.deepcopy(plain)
    compute_natively(mine)
    seen = counted(monkeypatch)
    n, tokens = 5, 9
    hidden = torch.randn(n, tokens, 64, generator=torch.Generator().manual_seed(0))
    padding = (torch.arange(tokens)[None] < torch.tensor([[9], [4], [1], [7], [2]]))[:, None, None]
    added = torch.zeros(n, 1, tokens, tokens).masked_fill(~padding, torch.finfo(torch.float32).min)
    masks = {
        "padding": (added, True), "one row of it": (added[:, :, :1], True), "none": (None, True),
        "causal": (added.clamp(min=-1e38) + torch.full((tokens, tokens), -1e38).triu(1), False),
        "of one row for all": (added[1:2], False),
        "a bias": (added + 0.5, False),
        "of each head": (added.expand(n, 2, tokens, tokens), False),
    }  # fmt: skip
    for name, (mask, native_too) in masks.items():
        seen.clear()
        made = []
        for model in (plain, mine):
            with torch.autocast("cpu", torch.bfloat16):
                made.append(model.bert.encoder.layer[0](hidden, mask))
        assert bool(seen) == native_too, name
        torch.testing.assert_close(made[1], made[0].float(), rtol=0.05, atol=0.1, msg=name)


def test_who_watches_a_layer_sees_what_goes_through_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = counted(monkeypatch)
    inside = ("attention", "attention.self", "attention.output", "intermediate.intermediate_act_fn", "output")
    called: list[int] = []
    for name in (*inside, "attention.self.query"):
        for register in ("register_forward_hook", "register_forward_pre_hook", "register_full_backward_pre_hook"):
            model = classifier()
            compute_natively(model)
            getattr(model.bert.encoder.layer[0].get_submodule(name), register)(lambda *_: called.append(1) or None)
            called.clear()
            seen.clear()
            learned(model, batch())
            assert called, (name, register)
            assert len(seen) == 1
    model = classifier()
    compute_natively(model)
    model.bert.encoder.layer[0].register_forward_hook(lambda *_: called.append(1) or None)
    called.clear()
    seen.clear()
    learned(model, batch())
    assert (len(called), len(seen)) == (1, 2)
    with torch.autocast("cpu", torch.bfloat16):
        made = model(**batch(), output_attentions=True, output_hidden_states=True)
    assert [each.shape for each in made.attentions] == [(5, 2, 9, 9)] * 2
    assert len(made.hidden_states) == 3


@pytest.mark.parametrize("family", ["Bert", "DistilBert"])
def test_what_was_set_to_evaluate_drops_nothing_out(family: str) -> None:
    model = classifier(family, dropout=0.5)
    compute_natively(model)
    for module in model.modules():
        if isinstance(module, nn.Dropout) or type(module).__name__.endswith("SelfAttention"):
            module.eval()
    given = batch()
    made = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        made.append(learned(model, given)["logits"])
    assert torch.equal(*made)


def test_a_row_that_may_look_nowhere_spoils_nothing() -> None:
    model, given = classifier(), batch()
    compute_natively(model)
    usual = learned(model, given)
    given["attention_mask"][2] = 0
    found = learned(model, given)
    for name, gradient in found.items():
        assert gradient.norm() < 10 * usual[name].norm() + 1, name


def test_a_layer_that_was_given_another_class_is_still_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `fully_shard` does."""
    model = classifier()
    compute_natively(model)
    for layer in model.bert.encoder.layer:
        layer.__class__ = type("FSDPBertLayer", (type(layer),), {})
    seen = counted(monkeypatch)
    learned(model, batch())
    assert len(seen) == 2
    native.use(False)
    learned(model, batch())
    assert len(seen) == 2


def test_asked_twice_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = classifier()
    compute_natively(model)
    compute_natively(model)
    seen = counted(monkeypatch)
    learned(model, batch())
    assert len(seen) == 2


@pytest.mark.parametrize("family", ["Bert", "DistilBert"])
def test_a_pickle_has_the_plain_model(family: str) -> None:
    model = classifier(family)
    compute_natively(model, read_first_token(model))
    back = pickle.loads(pickle.dumps(model))  # noqa: S301
    model.eval()
    back.eval()
    torch.testing.assert_close(back(**batch()).logits, model(**batch()).logits)
    learned(back.train(), batch())


def test_what_comes_out_may_be_changed_in_place() -> None:
    model = classifier()
    compute_natively(model)
    hidden = torch.randn(3, 5, 64)
    with torch.autocast("cpu", torch.bfloat16):
        model.bert.encoder.layer[0](hidden, None).add_(1).sum().backward()
