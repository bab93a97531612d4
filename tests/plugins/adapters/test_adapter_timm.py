"""timm/* among the models. They need timm and torchvision: test_own_environment.py runs them where those are."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

import modrack
from modrack_registry.errors import UserError

timm = pytest.importorskip("timm")
pytestmark = pytest.mark.slow


def images(channels=1, size=32, classes=3):
    names = [f"class {number}" for number in range(classes)]
    known = {"classes": names, "outputs": len(names or [0]), "targets": {}, "target": "class", "gives": "image"}
    return SimpleNamespace(shape=(channels, size, size), restore=None, **known)


def test_every_model_is_listed(registry):
    listed = [member.name for member in registry.listing("model", "timm/*")]
    assert listed == sorted(f"timm/{name}" for name in timm.list_models())
    assert len(listed) > 1000
    assert {"timm/resnext50_32x4d", "timm/seresnext50_32x4d"} <= {
        member.name for member in registry.listing("model", "timm/*resnext*")
    }


def test_a_listing_from_the_index_imports_neither_timm_nor_torch(registry):
    registry.listing("model", "timm/*resnext*")
    code = (
        "import sys; from modrack.__main__ import main; sys.argv = ['modrack', 'list', 'model', 'timm/*resnext*']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'timm', 'numpy', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "timm/resnext50_32x4d" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_one_trains(tmp_path):
    run = modrack.train(model="timm/resnet10t", dataset="digits", steps=2, home=tmp_path)
    assert run.status == "finished"
    (used,) = [each for each in run.components if each["kind"] == "model"]
    assert (used["full"], used["version"].partition("+")[2]) == (
        "modrack/timm/resnet10t",
        f"timm.{timm.__version__}",
    )
    assert run.metrics["test.accuracy"] >= 0


@pytest.mark.parametrize("name", ["resnet10t", "vit_tiny_patch16_224", "mobilenetv3_small_050", "convnext_atto"])
def test_classes_channels_and_size_are_the_datas(make, name):
    model = make("model", f"timm/{name}", {"data": images()}, drop_rate=0.1)
    assert model(torch.randn(2, 1, 32, 32)).shape == (2, 3)
    assert model.training


def test_options(make, registry):
    assert list(registry.find("model", "timm/resnet18").options) == [
        "checkpoint",
        "drop_rate",
        "drop_path_rate",
        "img_size",
    ]
    deep = make("model", "timm/vit_tiny_patch16_224", {"data": images()}, drop_path_rate=0.2, img_size=32)
    assert deep.blocks[-1].drop_path1.drop_prob == pytest.approx(0.2)
    for name, options, said in (
        ("resnet10t", {"img_size": 32}, "takes images of any size"),
        ("vgg11", {"drop_path_rate": 0.1}, "has no drop_path_rate"),
        ("vit_tiny_patch16_224", {"img_size": 64}, "cannot take images of 32×32 pixels with 1 channels"),
    ):
        with pytest.raises(UserError, match=said):
            make("model", f"timm/{name}", {"data": images()}, **options)
    with pytest.raises(UserError, match="cannot take images of 8×8"):
        make("model", "timm/inception_v3", {"data": images(size=8)})


def test_pretrained_weights(make, tmp_path):
    from safetensors.torch import save_file

    torch.manual_seed(1)
    theirs = timm.create_model("resnet10t", num_classes=7)
    file = tmp_path / "model.safetensors"
    save_file(theirs.state_dict(), file)
    for checkpoint in (file, tmp_path):
        ours = make("model", "timm/resnet10t", {"data": images()}, checkpoint=str(checkpoint))
        assert torch.equal(ours.layer1[0].conv1.weight, theirs.layer1[0].conv1.weight)
        assert ours.fc.weight.shape[0] == 3
        # Three channels become one by their sum, so that a grey image gives what it gave in colour.
        assert torch.allclose(ours.conv1[0].weight, theirs.conv1[0].weight.sum(1, keepdim=True))
    restored = images()
    restored.restore = tmp_path
    make("model", "timm/resnet10t", {"data": restored}, checkpoint="/gone")


def test_positions_are_stretched_to_the_datas_size(make, tmp_path):
    from safetensors.torch import save_file

    theirs = timm.create_model("vit_tiny_patch16_224", num_classes=7)
    save_file(theirs.state_dict(), tmp_path / "any.safetensors")
    ours = make("model", "timm/vit_tiny_patch16_224", {"data": images(3, 64)}, checkpoint=str(tmp_path))
    assert ours.pos_embed.shape[1] == 17
    assert torch.equal(ours.blocks[0].attn.qkv.weight, theirs.blocks[0].attn.qkv.weight)


def test_checkpoints_that_do_not_fit(make, tmp_path, monkeypatch):
    from safetensors.torch import save_file

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    save_file(timm.create_model("resnet10t").state_dict(), tmp_path / "model.safetensors")
    (tmp_path / "damaged.safetensors").write_bytes(b"abc")
    (tmp_path / "weights.pth").write_bytes(b"abc")
    (tmp_path / "empty").mkdir()
    for name, checkpoint, said in (
        ("resnet18", tmp_path, "does not fit model timm/resnet18"),
        ("resnet10t", tmp_path / "damaged.safetensors", "cannot be read"),
        ("resnet10t", tmp_path / "weights.pth", "is no safetensors file"),
        ("resnet10t", tmp_path / "empty", "there is no model.safetensors in this folder"),
        ("resnet10t", tmp_path / "gone", "there is no such file or folder"),
        ("resnet10t", "timm/resnet10t.c3_in1k", "the Hub cannot be reached"),
    ):
        with pytest.raises(UserError, match=said):
            make("model", f"timm/{name}", {"data": images()}, checkpoint=str(checkpoint))


def test_they_conform(conforms):
    assert conforms("timm/resnet10t", "timm/mobilenetv3_small_050") == 2 * 10
