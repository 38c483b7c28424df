"""Scores of networks with batch norm: their definitions, and that a network stays as it was."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from common.errors import UserError
from common.finders import SCORES, score
from common.models import build_model, prunable_parameters

CLASSES, SIDE = 4, 8


def draw(seed):
    return torch.Generator().manual_seed(seed)


def images(count, seed=0, channels=3, dtype=torch.float32):
    source = draw(seed)
    pixels = torch.randn(count, channels, SIDE, SIDE, generator=source, dtype=dtype)
    return pixels, torch.randint(0, CLASSES, (count,), generator=source)


@pytest.fixture
def batches():
    return [images(12, 0), images(12, 1)]


def snapshot(model):
    return {
        "values": {name: value.clone() for name, value in model.state_dict().items()},
        "objects": {name: id(value) for name, value in model.named_parameters()},
        "buffers": {name: id(value) for name, value in model.named_buffers()},
        "requires_grad": {name: value.requires_grad for name, value in model.named_parameters()},
        "grads": {
            name: None if value.grad is None else value.grad.clone()
            for name, value in model.named_parameters()
        },
        "modes": {name: module.training for name, module in model.named_modules()},
    }


def assert_unchanged(model, before):
    after = snapshot(model)
    for key in ("objects", "buffers", "requires_grad", "modes"):
        assert after[key] == before[key]
    for name, value in before["values"].items():
        assert torch.equal(after["values"][name], value), name
    for name, gradient in before["grads"].items():
        if gradient is None:
            assert after["grads"][name] is None
        else:
            assert torch.equal(after["grads"][name], gradient), name


@pytest.mark.parametrize("bn_mode", ["train", "eval"])
@pytest.mark.parametrize("name", sorted(SCORES))
@pytest.mark.parametrize(
    ("architecture", "options"), [("resnet8", {"width": 4}), ("small_cnn", {"width": 4})]
)
def test_the_network_comes_back_exactly_as_it_went_in(
    batches, architecture, options, name, bn_mode
):
    model = build_model(architecture, num_classes=CLASSES, generator=draw(0), **options)
    F.cross_entropy(model(batches[0][0]), batches[0][1]).backward()  # moves statistics, fills grads
    model.train()
    next(m for m in model.modules() if isinstance(m, nn.BatchNorm2d)).eval()
    first = next(iter(prunable_parameters(model).values()))
    first.requires_grad_(False)
    first.grad = None
    before = snapshot(model)
    torch.manual_seed(11)
    state = torch.get_rng_state()
    chosen = {} if name == "magnitude" else {"bn_mode": bn_mode}
    scores = score(name, model, batches, **chosen)
    assert torch.equal(state, torch.get_rng_state())
    assert_unchanged(model, before)
    shapes = {key: value.shape for key, value in prunable_parameters(model).items()}
    assert {key: value.shape for key, value in scores.items()} == shapes
    assert list(scores) == list(shapes)
    assert all(torch.isfinite(value).all() for value in scores.values())
    # A frozen layer is scored like every other one.
    assert all(bool((value != 0).any()) for value in scores.values())


@pytest.mark.parametrize("name", ["snip", "grasp", "synflow"])
def test_the_mode_of_the_network_has_no_bearing_on_its_scores(batches, resnet, name):
    in_training = score(name, resnet.train(), batches)
    in_evaluation = score(name, resnet.eval(), batches)
    assert all(torch.equal(in_training[key], in_evaluation[key]) for key in in_training)


@pytest.mark.parametrize("name", ["snip", "grasp"])
def test_batch_statistics_are_used_unless_the_running_ones_are_asked_for(batches, resnet, name):
    default, train = score(name, resnet, batches), score(name, resnet, batches, bn_mode="train")
    evaluation = score(name, resnet, batches, bn_mode="eval")
    assert all(torch.equal(default[key], train[key]) for key in default)
    assert not any(torch.equal(default[key], evaluation[key]) for key in default)


@pytest.mark.parametrize("name", ["snip", "grasp", "synflow"])
def test_scores_do_not_depend_on_the_surrounding_gradient_mode(batches, resnet, name):
    outside = score(name, resnet, batches)
    with torch.no_grad():
        inside = score(name, resnet, batches)
    assert all(torch.equal(outside[key], inside[key]) for key in outside)


def test_scores_repeat_with_dropout_and_leave_the_global_random_state():
    model = build_model("alexnet", num_classes=CLASSES, width_mult=0.05, image_size=32)
    pixels = torch.randn(6, 3, 32, 32, generator=draw(0))
    batch = [(pixels, torch.arange(6) % CLASSES)]
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = score("snip", model, batch)
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(2)
    assert all(torch.equal(value, first[key]) for key, value in score("snip", model, batch).items())


# Definitions, checked against plain autograd and finite differences on a user's own module.


def gradient(model, batch, temperature=1.0):
    weights = list(prunable_parameters(model).values())
    loss = F.cross_entropy(model(batch[0]) / temperature, batch[1])
    return torch.autograd.grad(loss, weights)


@pytest.mark.parametrize("train", [True, False])
def test_snip_is_the_weight_times_the_summed_gradients(smooth, train):
    model, batches = smooth
    model.train(train)
    summed = [sum(parts) for parts in zip(*(gradient(model, batch) for batch in batches))]
    scores = score("snip", model, batches, bn_mode="train" if train else "eval")
    assert list(scores) == ["body.0.weight", "body.3.weight", "head.weight"]
    for (name, weight), total in zip(prunable_parameters(model).items(), summed):
        torch.testing.assert_close(scores[name], (weight * total).abs().detach())


def test_taylor_equals_snip_at_equal_weights(smooth, batches, resnet):
    for model, data in (smooth, (resnet, batches)):
        snip, taylor = score("snip", model, data), score("taylor", model, data)
        assert all(torch.equal(snip[key], taylor[key]) for key in snip)


@pytest.mark.parametrize(
    ("bn_mode", "temperature", "count"),
    [("train", 1.0, 1), ("train", 1.0, 2), ("eval", 1.0, 2), ("train", 3.0, 2)],
)
def test_grasp_s_hessian_product_agrees_with_finite_differences(
    smooth, bn_mode, temperature, count
):
    model, batches = smooth
    batches = batches[:count]
    scores = score("grasp", model, batches, temperature=temperature, bn_mode=bn_mode)
    model.train(bn_mode == "train")
    weights = prunable_parameters(model)
    start = [weight.detach().clone() for weight in weights.values()]

    def summed():
        found = [gradient(model, batch, temperature) for batch in batches]
        return [sum(parts) for parts in zip(*found)]

    def move(size):
        with torch.no_grad():
            for weight, origin, step in zip(weights.values(), start, direction):
                weight.copy_(origin + size * step)

    # The sum over batches of H_b applied to the summed gradient is the change of the summed
    # gradient along itself.
    direction = summed()
    step = 1e-5 / max(part.abs().max().item() for part in direction)
    move(step)
    ahead = summed()
    move(-step)
    behind = summed()
    move(0.0)
    products = [(a - b) / (2 * step) for a, b in zip(ahead, behind)]
    for (name, weight), product in zip(weights.items(), products):
        expected = weight.detach() * product
        scale = expected.abs().max().item()
        torch.testing.assert_close(scores[name], expected, rtol=1e-5, atol=1e-6 * scale)


def test_grasp_of_several_batches_mixes_their_gradients(smooth):
    model, batches = smooth
    together = score("grasp", model, batches, temperature=1.0)
    alone = [score("grasp", model, [batch], temperature=1.0) for batch in batches]
    name = "head.weight"
    assert not torch.allclose(together[name], alone[0][name] + alone[1][name], rtol=0.1)


def test_the_precision_of_the_model_is_the_precision_of_the_scores(smooth):
    model, batches = smooth
    for name in SCORES:
        exact = score(name, model, batches)
        single = score(name, model.float(), batches)
        model.double()
        for key, value in exact.items():
            assert value.dtype == torch.float64
            assert single[key].dtype == torch.float32
            atol = 1e-4 * value.abs().max().item()
            torch.testing.assert_close(single[key].double(), value, rtol=1e-3, atol=atol)


# SynFlow


def layer_sums(scores):
    return {name: value.double().sum().item() for name, value in scores.items()}


def test_synflow_is_conserved_through_a_chain():
    model = build_model("vgg11", num_classes=CLASSES, generator=draw(1), width_mult=0.1).double()
    sums = list(layer_sums(score("synflow", model, input_shape=(3, 16, 16))).values())
    assert len(sums) == 9
    assert sums[0] > 0
    assert all(abs(total / sums[0] - 1) < 1e-10 for total in sums)


def test_synflow_is_conserved_through_residual_blocks(resnet):
    sums = layer_sums(score("synflow", resnet.double(), input_shape=(3, 8, 8)))
    flow = sums["conv1.weight"]

    def same(a, b):
        return abs(a / b - 1) < 1e-10

    assert flow > 0
    assert same(sums["classifier.weight"], flow)
    for block in ("layer1.0", "layer2.0", "layer3.0"):
        assert same(sums[f"{block}.conv1.weight"], sums[f"{block}.conv2.weight"])
        if block != "layer1.0":
            branches = sums[f"{block}.conv2.weight"] + sums[f"{block}.shortcut.conv.weight"]
            assert same(branches, flow)
    assert sums["layer1.0.conv2.weight"] < 0.99 * flow  # the rest passes by the identity


def test_synflow_is_the_flow_of_absolute_weights(resnet):
    model = resnet.double().eval()
    scores = score("synflow", model, input_shape=(3, 8, 8))
    signs = build_model("resnet8", num_classes=CLASSES, generator=draw(7), width=4).double()
    state = {key: value.abs() for key, value in model.state_dict().items()}
    signs.load_state_dict(state)
    flow = signs.eval()(torch.ones(1, 3, 8, 8, dtype=torch.float64)).sum().item()
    bias = signs.classifier.bias.sum().item()
    assert abs(scores["classifier.weight"].sum().item() / (flow - bias) - 1) < 1e-10
    flipped = score("synflow", signs, input_shape=(3, 8, 8))
    assert all(torch.equal(flipped[key], scores[key]) for key in scores)
    assert all(bool((value >= 0).all()) for value in scores.values())


def test_synflow_does_not_look_at_the_data(resnet):
    a = score("synflow", resnet, [images(3, 0)])
    b = score("synflow", resnet, [images(5, 9)])
    c = score("synflow", resnet, input_shape=(3, SIDE, SIDE))
    for key, value in a.items():
        assert torch.equal(value, b[key])
        assert torch.equal(value, c[key])


# Calls that cannot work


def test_unknown_scores_and_options_are_refused_with_the_nearest_name(resnet, batches):
    with pytest.raises(UserError, match=r"score: unknown name 'snipe'; did you mean 'snip'\?"):
        score("snipe", resnet, batches)
    with pytest.raises(
        UserError, match=r"score grasp: unknown option 'temprature'; did you mean 'temperature'\?"
    ):
        score("grasp", resnet, batches, temprature=1.0)
    with pytest.raises(UserError, match=r"score magnitude: unknown option 'x' \(allowed: layers\)"):
        score("magnitude", resnet, x=1)
    with pytest.raises(UserError, match="bn_mode: must be 'train' or 'eval', found 'test'"):
        score("snip", resnet, batches, bn_mode="test")


@pytest.mark.parametrize("name", ["snip", "grasp", "taylor", "synflow"])
def test_scores_that_need_a_batch_say_so(resnet, name):
    with pytest.raises(UserError, match=r"needs at least one batch of \(images, labels\)"):
        score(name, resnet, [])
