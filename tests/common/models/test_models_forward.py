"""Every model computes logits and gradients, for the image sizes and channels it promises."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from common.models import MODELS, build_model, model_names, prunable_parameters
from common.models.residual import BasicBlock, Bottleneck, PadShortcut

POOLED = [name for name in model_names() if "image_size" not in MODELS[name].options]


def narrow(name, **options):
    """Build a narrow version of a model, so that the test is quick."""
    known = MODELS[name].options
    if "width" in known:
        options.setdefault("width", 4)
    if "width_mult" in known:
        options.setdefault("width_mult", 0.06)
    return build_model(name, num_classes=5, **options)


def images(channels, size, count=3):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, channels, size, size, generator=generator)


@pytest.mark.parametrize("name", model_names())
def test_logits_and_finite_gradients_everywhere(name):
    size = MODELS[name].options["image_size"].default if name not in POOLED else 32
    model = narrow(name, in_channels=1)
    logits = model(images(1, size))
    assert logits.shape == (3, 5)
    with torch.random.fork_rng(devices=[]):  # dropout draws from the global state
        F.cross_entropy(model(images(1, size)), torch.tensor([0, 1, 2])).backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name
    assert sum(p.grad.abs().sum() for p in prunable_parameters(model).values()) > 0


DEEP = {"resnet44", "resnet56", "resnet56_w32", "resnet101", "resnet104", "resnet110", "resnet152"}


@pytest.mark.parametrize("size", [16, 28, 32, 64])
@pytest.mark.parametrize("name", [name for name in POOLED if name not in DEEP])
def test_globally_pooled_models_take_any_image_size(name, size):
    model = narrow(name).eval()
    with torch.no_grad():
        assert model(images(3, size, count=1)).shape == (1, 5)


@pytest.mark.parametrize("size", [16, 28, 32, 64])
def test_the_large_stem_takes_small_images_too(size):
    model = build_model("resnet18", num_classes=5, width=4, stem="imagenet").eval()
    assert model(images(3, size)).shape == (3, 5)


@pytest.mark.parametrize(
    ("name", "size", "side"),
    [("vgg19", 32, 2), ("vgg19", 28, 1), ("vgg19", 64, 4), ("vgg16", 32, 1), ("vgg16", 64, 2)],
)
def test_feature_maps_of_the_vgg_networks(name, size, side):
    model = narrow(name).eval()
    assert model.features(images(3, size)).shape[2:] == (side, side)


def test_feature_maps_of_resnet50_with_the_large_stem():
    model = build_model("resnet50", num_classes=5, width=4, stem="imagenet").eval()
    sides = []
    for name in ("relu1", "pool1", "layer1", "layer2", "layer3", "layer4"):
        module = model.get_submodule(name)
        module.register_forward_hook(lambda _m, _i, out: sides.append(out.shape[-1]))
    model(images(3, 32))
    assert sides == [16, 8, 8, 4, 2, 1]
    sides.clear()
    model(images(3, 28))
    assert sides == [14, 7, 7, 4, 2, 1]


@pytest.mark.parametrize("name", model_names())
def test_each_activation_module_is_used_once_and_not_in_place(name):
    model = narrow(name).eval()
    size = MODELS[name].options["image_size"].default if name not in POOLED else 32
    calls = dict.fromkeys((n for n, m in model.named_modules() if isinstance(m, nn.ReLU)), 0)
    assert calls
    for relu in calls:
        module = model.get_submodule(relu)
        assert not module.inplace

        def count(_module, _inputs, _output, relu=relu):
            calls[relu] += 1

        module.register_forward_hook(count)
    with torch.no_grad():
        model(images(3, size, count=1))
    assert set(calls.values()) == {1}


@pytest.mark.parametrize("name", model_names())
def test_the_last_layer_is_called_classifier(name):
    with torch.device("meta"):
        model = build_model(name, num_classes=7)
    assert isinstance(model.classifier, nn.Linear)
    assert model.classifier.out_features == 7
    assert list(prunable_parameters(model))[-1] == "classifier.weight"


@pytest.mark.parametrize(
    ("block", "parts"),
    [
        (BasicBlock, ["conv1", "bn1", "relu1", "conv2", "bn2", "relu2", "shortcut"]),
        (
            Bottleneck,
            [
                *("conv1", "bn1", "relu1", "conv2", "bn2", "relu2"),
                *("conv3", "bn3", "relu3", "shortcut"),
            ],
        ),
    ],
)
def test_parts_of_the_residual_blocks(block, parts):
    made = block(8, 4, 2, shortcut="B", bn_affine=True)
    assert [name for name, _ in made.named_children()] == parts
    x = images(8, 6)
    made.eval()
    path = made.bn1(made.conv1(x)).relu()
    path = made.bn2(made.conv2(path))
    if block is Bottleneck:
        path = made.bn3(made.conv3(path.relu()))
    expected = (path + made.shortcut(x)).relu()
    torch.testing.assert_close(made(x), expected)


def test_padding_shortcut_takes_every_second_pixel_and_pads_both_sides():
    x = images(4, 6)
    out = PadShortcut(4, 8, 2)(x)
    assert out.shape == (3, 8, 3, 3)
    assert torch.equal(out[:, 2:6], x[:, :, ::2, ::2])
    assert out[:, :2].abs().sum() == out[:, 6:].abs().sum() == 0


def test_wide_resnet_shortcut_sees_the_activated_input_where_the_width_changes():
    model = build_model("wide_resnet28_2", num_classes=5, width=4).eval()
    x = images(4, 8)
    first, second = model.layer1[0], model.layer1[1]
    active = first.bn1(x).relu()
    path = first.conv2(first.bn2(first.conv1(active)).relu())
    torch.testing.assert_close(first(x), path + first.shortcut(active))
    x = images(8, 8)
    path = second.conv2(second.bn2(second.conv1(second.bn1(x).relu())).relu())
    torch.testing.assert_close(second(x), path + x)


def test_mobilenet_v2_projection_is_linear_and_has_no_shortcut_at_stride_2():
    model = build_model("mobilenet_v2", num_classes=5, width_mult=0.25).eval()
    strided = [block for block in model.blocks if not block.residual]
    assert len(strided) == 3
    x = images(strided[0].conv1.in_channels, 8)
    out = strided[0](x)
    assert out.shape[-1] == 4
    assert (out < 0).any()


def test_batch_norm_can_be_left_out_of_vgg():
    model = narrow("vgg11", batch_norm=False, conv_bias=True)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    assert model(images(3, 32)).shape == (3, 5)
