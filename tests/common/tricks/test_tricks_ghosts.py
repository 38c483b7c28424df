"""Ghost skips: where they are, how many weights they have, and what they do to a network."""

import pytest
import torch

from common.errors import UserError
from common.models import build_model
from common.models.prunable import prunable_parameters
from common.tricks import GhostSkips, ghost_paths

COUNTS = {  # spec 3: convolution weights and BN parameters that the ghosts add
    "resnet18": ({}, 1_220_608, 7_680),
    "resnet34": ({}, 2_342_912, 15_104),
    "resnet50": ({}, 1_257_472, 7_552),
    "resnet32_w32": ({}, 204_800, 4_480),
    "resnet32": ({}, 51_200, 2_240),
    "vgg16_bn": ({}, 1_634_496, 8_448),
}


def ghosted(name, alpha=1.0, seed=0, **options):
    draw = torch.Generator().manual_seed(seed)
    model = build_model(name, num_classes=10, generator=draw, **options)
    ghosts = GhostSkips(model, ghost_paths(model), 1e-4, torch.tensor(alpha))
    return model, ghosts


@pytest.mark.parametrize("name", sorted(COUNTS))
def test_the_parameters_they_add(name):
    options, convolutions, norms = COUNTS[name]
    with torch.device("meta"):
        model = build_model(name, num_classes=10, **options)
        ghosts = GhostSkips(model, ghost_paths(model), 1e-4, torch.ones(()))
    sizes = {key: value.numel() for key, value in ghosts.named_parameters()}
    assert sum(size for key, size in sizes.items() if ".conv." in key) == convolutions
    assert sum(size for key, size in sizes.items() if ".bn." in key) == norms
    assert ghosts.parameter_count == convolutions + norms


def test_a_bottleneck_network_has_none_in_the_released_code():
    model = build_model("resnet56", num_classes=10, width=4)
    assert ghost_paths(model, bottleneck=False) == []
    assert [path.conv for path in ghost_paths(model)][:2] == ["layer1.0.conv2", "layer1.1.conv2"]


def test_depthwise_convolutions_have_ghosts_with_one_scale_a_channel():
    model, ghosts = ghosted("mobilenet_v1", width_mult=0.25)
    assert len(ghost_paths(model)) == 13
    convs = [ghost.conv for ghost in ghosts.ghosts]
    assert all(conv.weight.numel() == conv.in_channels for conv in convs)


def test_at_first_a_ghost_is_the_same_map_in_all_channels_with_mean_0():
    _, ghosts = ghosted("resnet8")
    x = torch.randn(16, 16, 8, 8, generator=torch.Generator().manual_seed(1))
    out = ghosts.ghosts[0].train()(x).detach()
    assert out.std() > 0.1
    assert torch.equal(out, out[:, :1].expand_as(out))
    assert abs(float(out.mean())) < 1e-6


@pytest.mark.parametrize("name", ["resnet8", "resnet50", "vgg11", "mobilenet_v1", "mobilenet_v2"])
def test_at_alpha_0_the_network_computes_what_the_plain_one_does(name):
    options = {"width": 4} if name == "resnet50" else {}
    model, ghosts = ghosted(name, alpha=0.0, **options)
    x = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    model.eval()
    plain = model(x)
    ghosts.attach(model)
    assert torch.equal(model(x), plain)
    ghosts.alpha.fill_(1.0)
    for ghost in ghosts.ghosts:
        torch.nn.init.ones_(ghost.conv.weight)
    assert not torch.equal(model(x), plain)
    ghosts.detach()
    assert torch.equal(model(x), plain)


def test_the_block_is_that_of_the_spec():
    model, ghosts = ghosted("resnet8")
    block = model.layer2[0]
    ghosts.attach(model)
    first, second = ghosts.ghosts[2], ghosts.ghosts[3]
    x = torch.randn(4, 16, 8, 8, generator=torch.Generator().manual_seed(2))
    for part in (model, ghosts):
        part.eval()
    with torch.no_grad():
        for ghost in (first, second):
            ghost.conv.weight.normal_(generator=torch.Generator().manual_seed(3))
    found = block(x)
    ghosts.detach()
    hidden = torch.relu(block.bn1(block.conv1(x)) + first(x))
    expected = torch.relu(block.bn2(block.conv2(hidden)) + block.shortcut(x) + second(hidden))
    assert torch.allclose(found, expected, atol=1e-6)


def test_names_weights_and_what_can_be_pruned_stay_those_of_the_plain_network():
    model, ghosts = ghosted("resnet8")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    prunable = list(prunable_parameters(model))
    ghosts.attach(model)
    assert list(prunable_parameters(model)) == prunable
    assert set(model.state_dict()) == set(before)
    model(torch.randn(2, 3, 16, 16)).sum().backward()
    assert all(parameter.grad is not None for parameter in ghosts.parameters())


def test_a_network_without_a_declared_map_is_refused():
    with pytest.raises(UserError, match="no skips are declared for WideResNet28x2"):
        ghost_paths(build_model("wide_resnet28_2", num_classes=10))
