"""transformers/* among the models: texts and images, new ones and checkpoints."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from transformers import AutoConfig, BertConfig, BertForSequenceClassification, ViTConfig, ViTForImageClassification

import modrack
from modrack.data.encoding import prepare_input
from modrack.seam import Batch
from modrack.testing.sample import sample
from modrack_registry.errors import UserError

SMALL = {"layers": 1, "width": 16, "heads": 2}


def images(channels=3, size=16, classes=3):
    names = [f"class {number}" for number in range(classes)]
    known = {"classes": names, "outputs": len(names or [0]), "targets": {}, "target": "class", "gives": "image"}
    return SimpleNamespace(shape=(channels, size, size), restore=None, **known)


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
            SimpleNamespace(restore=None, target="class", targets={}),
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
    with pytest.raises(UserError, match="takes images with 3 channels; the data have 4"):
        make("model", "transformers/vit", {"data": images(channels=4)}, checkpoint=folder)
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


@pytest.fixture
def prepared(vit, tmp_path):
    """prepared(said, **data): a checkpoint with `said` of its images, and a row of 100s as its model gets it."""

    def prepared(make, said, **facts):
        for file in vit[0].iterdir():
            (tmp_path / file.name).write_bytes(file.read_bytes())
        (tmp_path / "preprocessor_config.json").write_text(json.dumps(said))
        data = images(**facts)
        data.mean, data.std = [0.9], [0.1]
        model = make("model", "transformers/vit", {"data": data}, checkpoint=str(tmp_path))
        image = torch.full((1, data.shape[0], 16, 16), 100, dtype=torch.uint8)
        batch = prepare_input(Batch({"image": image}, size=1), data, model.processor)
        assert model(batch["image"]).logits.shape == (1, 3)
        return batch["image"][0, :, 0, 0].tolist()

    return prepared


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"image_mean": [0.5, 0.4, 0.3], "image_std": [0.5, 0.25, 0.1]}, [-0.2157, -0.0314, 0.9216]),
        ({"do_normalize": False, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}, [100 / 255] * 3),
        ({"do_normalize": False, "do_rescale": False}, [100.0] * 3),
        # Some scale to -1 … 1.
        ({"rescale_factor": 1 / 127.5, "image_mean": [1.0] * 3, "image_std": [1.0] * 3}, [100 / 127.5 - 1] * 3),
        ({"image_mean": 0.5, "image_std": 0.5}, [(100 / 255 - 0.5) / 0.5] * 3),
    ],
)
def test_images_are_shown_as_the_checkpoint_wants_them(make, prepared, said, expected):
    assert prepared(make, said) == pytest.approx(expected, rel=1e-3)
    assert prepared(make, said, channels=1) == pytest.approx(expected, rel=1e-3)


def test_it_is_what_transformers_makes_of_them(make, prepared):
    processors = pytest.importorskip("transformers.models.vit.image_processing_pil_vit")
    theirs = processors.ViTImageProcessorPil(
        size={"height": 16, "width": 16}, image_mean=[0.3] * 3, image_std=[0.2] * 3
    )
    wanted = theirs(torch.full((3, 16, 16), 100, dtype=torch.uint8).numpy())["pixel_values"][0][:, 0, 0]
    assert prepared(make, theirs.to_dict()) == pytest.approx(wanted.tolist(), rel=1e-5)


def test_another_size_is_told(make, prepared):
    with pytest.warns(UserWarning, match="trained with images of 8×8; the data have 16×16. Say dataset.size=8"):
        prepared(make, {"image_mean": [0.5], "image_std": [0.5], "do_resize": True, "size": {"height": 8, "width": 8}})
    with pytest.raises(UserError, match=r"preprocessor_config.json cannot be understood: image_mean=.0.5., image_std"):
        prepared(make, {"image_mean": [0.5], "image_std": [0.0]})


def test_a_run_is_pretraining_for_another(make, tmp_path):
    sizes = {f"model.{name}": size for name, size in SMALL.items()}
    first = modrack.train(model="transformers/vit", dataset="digits", steps=2, home=tmp_path, **sizes)
    said = json.loads((first.folder / "checkpoints" / "last" / "preprocessor_config.json").read_text())
    assert said["image_mean"] == first.data["mean"]
    for place in range(40):
        folder = tmp_path / "pictures" / ("dark" if place % 2 else "bright")
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("L", (9, 9), 10 + place if place % 2 else 240 - place).save(folder / f"{place}.png")
    second = modrack.train(
        model="transformers/vit", dataset="files", epochs=3, home=tmp_path, freeze=["vit.*"],
        **{"model.checkpoint": "run:1", "dataset.path": str(tmp_path / "pictures"), "dataset.size": 8},
    )  # fmt: skip
    assert json.loads((second.folder / "checkpoints" / "last" / "preprocessor_config.json").read_text()) == said
    ours, theirs = (run.load_model().vit.state_dict() for run in (second, first))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    (answer,) = second.predict(Path(folder / "39.png"))
    assert set(answer) == {"label", "probability"}


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
