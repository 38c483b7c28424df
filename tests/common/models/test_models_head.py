"""The end of the networks: the classifier as a convolution, dropout, the head of two layers."""

import pytest
import torch
from torch import nn

from common.models import MODELS, build_model, check_options, prunable_parameters
from common.models.head import classify, make_layer

BOTH_KINDS = [name for name in MODELS if "classifier" in MODELS[name].options]
DEEP = {"resnet44", "resnet56", "resnet56_w32", "resnet101", "resnet104", "resnet110", "resnet152"}


def narrow(name, **options):
    known = MODELS[name].options
    options.setdefault(*(("width", 4) if "width" in known else ("width_mult", 0.06)))
    return build_model(name, num_classes=5, **options)


def images(size=32, count=4):
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def test_which_models_have_a_classifier_of_both_kinds():
    others = {"alexnet", "conv2", "conv4", "conv6", "fc", "lenet5"}
    assert set(MODELS) - set(BOTH_KINDS) == others


@pytest.mark.parametrize("name", BOTH_KINDS)
def test_the_classifier_as_a_convolution(name):
    with torch.device("meta"):
        model = build_model(name, num_classes=7, classifier="conv", classifier_bias=False)
    assert isinstance(model.classifier, nn.Conv2d)
    assert model.classifier.out_channels == 7
    assert model.classifier.weight.shape[2:] == (1, 1)
    assert model.classifier.bias is None
    assert list(prunable_parameters(model))[-1] == "classifier.weight"
    assert list(prunable_parameters(model, "conv"))[-1] == "classifier.weight"


@pytest.mark.parametrize("name", [name for name in BOTH_KINDS if name not in DEEP])
def test_both_kinds_are_the_same_function(name):
    linear, conv = narrow(name), narrow(name, classifier="conv", init="signed_constant")
    state = linear.state_dict()
    state["classifier.weight"] = state["classifier.weight"][:, :, None, None]
    conv.load_state_dict(state)
    for training in (True, False):
        expected, found = linear.train(training)(images()), conv.train(training)(images())
        assert found.shape == (4, 5)
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("init", ["kaiming_normal", "signed_constant", "torch_default"])
def test_schemes_that_treat_all_layers_alike_draw_the_same_classifier(init):
    linear, conv = (narrow("resnet8", init=init, classifier=kind) for kind in ("linear", "conv"))
    assert torch.equal(conv.classifier.weight.flatten(1), linear.classifier.weight)
    assert torch.equal(conv.classifier.bias, linear.classifier.bias)


def test_schemes_that_tell_layers_apart_draw_it_as_a_convolution():
    model = build_model("resnet8", num_classes=1000, init="grasp", classifier="conv")
    # 64,000 weights N(0, 2 / 1000): three standard errors are 0.9 %; a linear layer would be 0.01.
    assert model.classifier.weight.std().item() == pytest.approx((2 / 1000) ** 0.5, rel=0.01)


def test_signed_constants_of_a_whole_network():
    options = {"shortcut": "A", "bn_affine": False, "classifier_bias": False, "classifier": "conv"}
    model = build_model("resnet20", num_classes=10, init="signed_constant", **options)
    sizes = [weight.abs().unique().tolist() for weight in model.parameters()]
    expected = [0.272166, *[0.117851] * 7, *[0.083333] * 6, *[0.058926] * 5, 0.176777]
    assert [round(size, 6) for (size,) in sizes] == expected


def test_dropout_acts_on_the_pooled_features_in_training_only():
    model = narrow("resnet18", dropout=0.4)
    plain = narrow("resnet18")
    assert list(model.state_dict()) == list(plain.state_dict())
    seen = []
    model.classifier.register_forward_hook(lambda _m, inputs, _o: seen.append(inputs[0]))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model(images(count=200))
    assert (seen[0] == 0).double().mean().item() == pytest.approx(0.4, abs=0.05)
    model.load_state_dict(plain.state_dict())
    torch.testing.assert_close(model.eval()(images()), plain.eval()(images()))


def test_without_dropout_nothing_in_the_model_is_random():
    dropouts = [m for m in narrow("resnet18").modules() if isinstance(m, nn.Dropout)]
    assert dropouts == []


@pytest.mark.parametrize("kind", ["linear", "conv"])
def test_the_head_of_two_layers_is_a_classifier_of_low_rank(kind):
    model = narrow("resnet18", head="two_layer", head_width=3, classifier=kind).eval()
    assert list(prunable_parameters(model))[-2:] == ["hidden.weight", "classifier.weight"]
    u, v = model.hidden.weight.flatten(1), model.classifier.weight.flatten(1)
    assert (u.shape, v.shape) == ((3, 32), (5, 3))
    pooled = model.pool(nn.Sequential(*list(model.children())[:8])(images()))
    bias = v @ model.hidden.bias + model.classifier.bias
    torch.testing.assert_close(model(images()), pooled.flatten(1) @ (v @ u).T + bias)


def test_the_head_of_two_layers_by_default():
    with torch.device("meta"):
        model = build_model("resnet50", num_classes=101, head="two_layer", classifier_bias=False)
    shapes = [tuple(weight.shape) for weight in prunable_parameters(model).values()]
    assert shapes[-2:] == [(512, 2048), (101, 512)]
    assert model.hidden.bias is model.classifier.bias is None


def test_layers_by_hand():
    pooled = torch.tensor([1.0, 2.0]).view(1, 2, 1, 1)
    for kind in ("linear", "conv"):
        first, second = make_layer(kind, 2, 2, True), make_layer(kind, 2, 1, False)
        with torch.no_grad():
            first.weight.copy_(torch.tensor([[1.0, 1.0], [0.0, -1.0]]).view_as(first.weight))
            first.bias.copy_(torch.tensor([0.5, 0.0]))
            second.weight.copy_(torch.tensor([2.0, 1.0]).view_as(second.weight))
        assert classify(pooled, first).tolist() == [[3.5, -2.0]]
        assert classify(pooled, first, second).tolist() == [[5.0]]


def test_the_options_may_come_from_a_config():
    check_options("vgg19", {"classifier": "conv"})
    check_options("resnet50", {"dropout": 0.4, "head": "two_layer", "head_width": 64})
