"""transformers/* among the models: texts and images, new ones and checkpoints."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from transformers import AutoConfig, BertConfig, BertForSequenceClassification, ViTConfig, ViTForImageClassification

import modrack
from modrack.testing.sample import sample
from modrack_registry.errors import UserError

SMALL = {"layers": 1, "width": 16, "heads": 2}


def images(channels=3, size=16, classes=3):
    names = [f"class {number}" for number in range(classes)]
    return SimpleNamespace(shape=(channels, size, size), classes=names, target="class", gives="image", restore=None)


def test_what_is_offered(registry):
    found = {member.name.partition("/")[2]: member.summary for member in registry.listing("model", "transformers/*")}
    assert len(found) > 100
    assert found["electra"] == "classifies texts (ElectraForSequenceClassification)"
    assert found["vit"] == "classifies images (ViTForImageClassification)"
    assert registry.find("model", "transformers/electra").facts == {"takes": ("text",), "gives": ("logits",)}
    assert registry.find("model", "transformers/vit").facts["takes"] == ("image",)
    assert registry.find("model", "transformers/perceiver").facts["takes"] == ("text",)
    for name in ("imagegpt", "layoutlmv2", "timm_wrapper", "siglip2"):
        with pytest.raises(UserError, match=f"There is no model transformers/{name}: it "):
            registry.find("model", f"transformers/{name}")
    with pytest.raises(UserError) as caught:
        registry.find("model", "transformers/electar")
    assert "transformers/electra" in caught.value.hint


@pytest.mark.parametrize("name", ["vit", "convnext", "deit", "clip", "swinv2", "levit"])
def test_new_models_of_images(make, name):
    data = images(size=64)
    model = make("model", f"transformers/{name}", {"data": data}, **SMALL)
    logits = model(torch.randn(2, 3, 64, 64)).logits
    assert logits.shape == (2, 3)
    assert model.training
    assert model.config.id2label[2] == "class 2"


def test_sizes_are_those_that_were_said(make):
    model = make("model", "transformers/vit", {"data": images(channels=1)}, layers=2, width=24, heads=3, patch=8)
    config = model.config
    assert (config.num_hidden_layers, config.hidden_size, config.num_attention_heads) == (2, 24, 3)
    assert (config.patch_size, config.image_size, config.num_channels) == (8, 16, 1)
    dropped = make("model", "transformers/vit", {"data": images()}, dropout=0.3, **SMALL)
    assert dropped.config.hidden_dropout_prob == 0.3


@pytest.mark.parametrize("name", ["electra", "gpt2", "t5"])
def test_new_models_of_texts(make, name):
    model = make("model", f"transformers/{name}", {"data": sample("text")[0]}, vocabulary=300, **SMALL)
    assert model.config.model_type == name
    tokens = torch.tensor(model.processor(["red and green"])["input_ids"])
    assert model(input_ids=tokens).logits.shape == (1, 3)


@pytest.mark.parametrize(
    ("name", "data", "options", "said"),
    [
        ("vit", images(), {"width": 15, "heads": 2}, "model.width=15 is no multiple"),
        ("pvt_v2", images(size=12), {}, "cannot take images of 12×12 pixels with 3 channels"),
        ("gemma3", sample("text")[0], {"vocabulary": 300, **SMALL}, "billion weights"),
        (
            "layoutlm",
            SimpleNamespace(restore=None, target="class"),
            {"checkpoint": "/no/folder"},
            "there is no such folder",
        ),
        ("vit", images(), {"checkpoint": "/no/folder"}, "there is no such folder"),
    ],
)
def test_what_cannot_be_made(make, name, data, options, said):
    with pytest.raises(UserError, match=said):
        make("model", f"transformers/{name}", {"data": data}, **options)


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vit")
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = ViTConfig(image_size=16, patch_size=4, num_labels=7, **sizes)
    model = ViTForImageClassification(config)
    model.save_pretrained(folder)
    return folder, model


def test_a_checkpoint_gives_all_weights_but_the_heads(make, vit):
    folder, theirs = vit
    model = make("model", "transformers/vit", {"data": images()}, checkpoint=str(folder))
    body = dict(theirs.vit.named_parameters())
    for name, weight in model.vit.named_parameters():
        assert torch.equal(weight, body[name]), name
    assert model.classifier.weight.shape == (3, 16)
    assert model.config.hidden_dropout_prob == 0.0


def test_checkpoints_that_do_not_fit(make, vit, tmp_path):
    folder = str(vit[0])
    with pytest.raises(UserError, match="holds a vit model, not a deit one") as caught:
        make("model", "transformers/deit", {"data": images()}, checkpoint=folder)
    assert caught.value.hint == "Say --model transformers/vit."
    with pytest.raises(UserError, match="takes images with 3 channels; the data have 1"):
        make("model", "transformers/vit", {"data": images(channels=1)}, checkpoint=folder)
    with pytest.raises(UserError, match="cannot take images of 32×32"):
        make("model", "transformers/vit", {"data": images(size=32)}, checkpoint=folder)
    BertForSequenceClassification(
        BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, vocab_size=99)
    ).save_pretrained(tmp_path)
    with pytest.raises(UserError, match="holds a bert model, not a vit one"):
        make("model", "transformers/vit", {"data": images()}, checkpoint=str(tmp_path))
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(UserError, match="no weights in safetensors"):
        make("model", "transformers/vit", {"data": images()}, checkpoint=str(tmp_path))


def test_a_run_is_built_again_from_its_own_checkpoint(make, tmp_path):
    run = modrack.train(
        model="transformers/vit",
        dataset="digits",
        steps=2,
        home=tmp_path,
        **{f"model.{name}": size for name, size in SMALL.items()},
    )
    last = run.folder / "checkpoints" / "last"
    assert AutoConfig.from_pretrained(last).model_type == "vit"
    data = images(channels=1, size=8, classes=10)
    data.restore = last
    model = make("model", "transformers/vit", {"data": data})
    assert model.config.hidden_size == 16
    (used,) = [each for each in run.components if each["kind"] == "model"]
    assert used["full"] == "modrack/transformers/vit"
    assert "+transformers.5" in used["version"]


def test_they_conform(conforms):
    assert conforms("transformers/vit", "transformers/electra") == 2 * 10
