"""Published weights: torchvision's layers under our names, and what is refused. No downloads."""

import email.message
import io
import urllib.error

import pytest
import torch
import torchvision
from torch import nn

from common.errors import UserError
from common.models import build_model, check_options
from common.models.released import copy_released, our_name

PRETRAINED = {"stem": "imagenet", "pretrained": "imagenet1k_v1"}
FILE = "resnet18-f37072fd.pth"


def published(depth, seed=0):
    """Return a network of torchvision's in which every value is random."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = torchvision.models.get_model(f"resnet{depth}", weights=None)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias)
                nn.init.normal_(module.running_mean)
                nn.init.uniform_(module.running_var, 0.5, 1.5)
    return model.eval()


def images():
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def resnet18():
    return published(18)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Make torch.hub look for files below an empty folder, and every download fail."""

    def unreachable(*_args, **_kwargs):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr("torch.hub._hub_dir", None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.urlopen", unreachable)
    checkpoints = tmp_path / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    return checkpoints


@pytest.mark.parametrize(("depth", "classifier"), [(18, "conv"), (50, "linear")])
def test_torchvisions_weights_give_torchvisions_outputs(depth, classifier):
    theirs = published(depth)
    ours = build_model(
        f"resnet{depth}", num_classes=1000, stem="imagenet", classifier=classifier
    ).eval()
    copy_released(ours, theirs.state_dict(), classifier=True)
    with torch.no_grad():
        expected = theirs(images())
        scale = expected.abs().max()
        torch.testing.assert_close(ours(images()) / scale, expected / scale, atol=1e-5, rtol=0)


@pytest.mark.parametrize("depth", [18, 34, 50, 101, 152])
def test_every_name_and_shape_has_its_counterpart(depth):
    with torch.device("meta"):
        theirs = torchvision.models.get_model(f"resnet{depth}", weights=None).state_dict()
        ours = build_model(f"resnet{depth}", num_classes=1000, stem="imagenet").state_dict()
    assert {our_name(name): value.shape for name, value in theirs.items()} == {
        name: value.shape for name, value in ours.items()
    }


def test_names():
    assert our_name("layer2.0.downsample.0.weight") == "layer2.0.shortcut.conv.weight"
    assert our_name("layer2.0.downsample.1.running_var") == "layer2.0.shortcut.bn.running_var"
    assert our_name("fc.bias") == "classifier.bias"
    assert our_name("layer4.2.bn3.weight") == "layer4.2.bn3.weight"


def test_building_with_the_file_in_its_place(resnet18, folder):
    torch.save(resnet18.state_dict(), folder / FILE)
    state = build_model("resnet18", num_classes=1000, **PRETRAINED).state_dict()
    for name, value in resnet18.state_dict().items():
        assert torch.equal(state[our_name(name)], value), name


@pytest.mark.parametrize(
    ("num_classes", "options"),
    [
        (101, {}),
        (1000, {"classifier_bias": False}),
        (1000, {"head": "two_layer", "head_width": 8}),
    ],
)
def test_a_head_of_another_form_is_drawn(resnet18, folder, num_classes, options):
    old = {k: v for k, v in resnet18.state_dict().items() if "num_batches_tracked" not in k}
    torch.save(old, folder / FILE)
    options = {**options, "stem": "imagenet", "init": "signed_constant"}
    options["init_options"] = {"fan_scale": 0.5}
    drawn = build_model("resnet18", num_classes=num_classes, **options).state_dict()
    options["pretrained"] = "imagenet1k_v1"
    model = build_model("resnet18", num_classes=num_classes, **options)
    for name, value in model.state_dict().items():
        if name.startswith(("hidden", "classifier")):
            assert torch.equal(value, drawn[name]), name
    fan_in = model.classifier.in_features
    torch.testing.assert_close(
        model.classifier.weight.abs(),
        torch.full((num_classes, fan_in), (2 / (0.5 * fan_in)) ** 0.5),
    )
    assert torch.equal(model.conv1.weight, resnet18.conv1.weight)
    assert torch.equal(model.layer4[0].shortcut.bn.bias, resnet18.layer4[0].downsample[1].bias)
    assert model.bn1.num_batches_tracked == 0


def test_the_generator_moves_as_without_published_weights(resnet18, folder):
    torch.save(resnet18.state_dict(), folder / FILE)
    states = []
    for options in ({"stem": "imagenet"}, PRETRAINED):
        generator = torch.Generator().manual_seed(0)
        build_model("resnet18", num_classes=5, generator=generator, **options)
        states.append(generator.get_state())
    assert torch.equal(*states)


def test_meta_models_need_no_file(folder):
    with torch.device("meta"):
        model = build_model("resnet50", num_classes=101, **PRETRAINED)
    assert model.conv1.weight.is_meta


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bn_affine": False}, r"needs bn_affine True, not False"),
        ({"stem": "cifar"}, r"needs stem 'imagenet', not 'cifar'"),
        ({"width": 32}, r"needs width 64, not 32"),
        ({"shortcut": "A"}, r"needs shortcut 'B', not 'A'"),
        ({"pretrained": "imagenet1k_v2"}, r"is not allowed; it must be null or 'imagenet1k_v1'"),
        ({"pretrained": True}, r"True is not allowed"),
    ],
)
def test_what_cannot_fit_is_refused_before_building(change, message):
    with pytest.raises(UserError, match=r"^model\.pretrained: .*" + message) as error:
        check_options("resnet50", {**PRETRAINED, **change})
    assert "\n" not in str(error.value)
    check_options("resnet50", {**change, "pretrained": None})


def test_the_default_stem_is_not_that_of_the_published_weights():
    with pytest.raises(UserError, match=r"needs stem 'imagenet', not 'cifar'"):
        check_options("resnet18", {"pretrained": "imagenet1k_v1"})


def test_grey_images_are_refused(folder):
    with pytest.raises(UserError, match=r"model\.pretrained: .*3 channels, not 1"):
        build_model("resnet18", num_classes=5, in_channels=1, **PRETRAINED)


def test_no_network_ends_in_one_line_that_says_where_the_file_belongs(folder):
    with pytest.raises(UserError) as error:
        build_model("resnet18", num_classes=5, **PRETRAINED)
    message = str(error.value)
    assert message.startswith("model.pretrained: cannot get ResNet18_Weights.IMAGENET1K_V1 from ")
    assert f"https://download.pytorch.org/models/{FILE}" in message
    assert "Name or service not known" in message
    assert f"put that file at {folder / FILE}" in message
    assert "\n" not in message


def test_a_download_that_is_not_the_published_file(folder, monkeypatch):
    class Page(io.BytesIO):
        def info(self):
            return email.message.Message()

    monkeypatch.setattr("torch.hub.urlopen", lambda *_a, **_k: Page(b"please log in"))
    with pytest.raises(UserError, match=r"invalid hash value"):
        build_model("resnet18", num_classes=5, **PRETRAINED)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"not a file of weights", b"PK\x03\x04 cut short"])
def test_a_damaged_file(folder, content):
    (folder / FILE).write_bytes(content)
    with pytest.raises(UserError, match=r"delete it there if it is damaged") as error:
        build_model("resnet18", num_classes=5, **PRETRAINED)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("bn1.bias"), r"bn1\.bias is missing"),
        (lambda state: state.update(extra=torch.ones(1)), r"extra is not known"),
        (
            lambda state: state.update({"conv1.weight": torch.ones(64, 3, 3, 3)}),
            r"conv1\.weight has shape \[64, 3, 3, 3\], not \[64, 3, 7, 7\]",
        ),
    ],
)
def test_a_file_of_another_network(resnet18, folder, change, message):
    state = dict(resnet18.state_dict())
    change(state)
    torch.save(state, folder / FILE)
    with pytest.raises(UserError, match=r"does not hold ResNet18_Weights.*" + message):
        build_model("resnet18", num_classes=5, **PRETRAINED)
