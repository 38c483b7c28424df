"""Masks on any network: what is masked, what is frozen, and how the network comes back."""

import copy

import pytest
import torch
import torch.nn.functional as F

from common.errors import UserError
from common.masks import EdgePopupMask, Noise, attach, detach, unmasked_state, viewed
from common.models import build_model, prunable_parameters

pytestmark = pytest.mark.usefixtures("one_thread")
NAMES = ["conv2", "resnet32", "vgg11", "branching"]


@pytest.fixture
def masked(network, coin):
    """Return a function that builds a network with random masks and their noise."""

    def build(name, **options):
        model = network(name)
        masks = attach(model, lambda _, weight: coin(weight), **options)
        return model, masks, Noise(masks.values(), seed=0)

    return build


@pytest.mark.parametrize("name", NAMES)
def test_every_prunable_weight_gets_a_mask(masked, network, name):
    _, masks, _ = masked(name)
    plain = prunable_parameters(network(name))
    assert list(masks) == list(plain)
    for key, mask in masks.items():
        assert mask.latent.shape == plain[key].shape
        assert mask.latent.dtype == plain[key].dtype
        assert mask.latent.stride() == plain[key].stride(), "one memory layout, channels_last too"
        assert mask.noise.stride() == plain[key].stride()


def test_the_layout_of_convolutions_is_channels_last(masked):
    model, masks, _ = masked("resnet32")
    weight = model.layer1[0].conv1.parametrizations.weight.original
    for tensor in (weight, masks["layer1.0.conv1.weight"].latent):
        assert tensor.is_contiguous(memory_format=torch.channels_last)
        assert not tensor.is_contiguous()


@pytest.mark.parametrize("name", NAMES)
def test_only_latents_get_a_gradient(masked, name):
    model, masks, noise = masked(name)
    noise.draw("train", 0)
    images = torch.randn(8, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    F.cross_entropy(model(images), torch.arange(8)).backward()
    latents = {id(mask.latent) for mask in masks.values()}
    for key, parameter in model.named_parameters():
        assert parameter.requires_grad is (id(parameter) in latents), key
        assert (parameter.grad is not None) is (id(parameter) in latents), key
    assert any(bool(mask.latent.grad.any()) for mask in masks.values())


@pytest.mark.parametrize("name", NAMES)
def test_the_state_without_masks_is_that_of_the_plain_network(masked, network, name):
    model, masks, noise = masked(name)
    noise.draw("train", 0)
    model.eval()
    images = torch.randn(4, 1, 16, 16)
    sampled = model(images)
    state, wanted = unmasked_state(model, masks), network(name).state_dict()
    assert set(state) == set(wanted)
    assert all(torch.equal(state[key], value) for key, value in wanted.items())
    assert torch.equal(model(images), sampled), "the masks are still on"


@pytest.mark.parametrize("name", NAMES)
def test_detach_gives_the_plain_network_back(masked, network, name):
    model, masks, noise = masked(name)
    noise.draw("train", 0)
    model.eval()
    images = torch.randn(4, 1, 16, 16)
    sampled = model(images)
    detach(model, masks)
    plain = network(name).eval()
    assert type(model) is type(plain)
    assert [type(m) for m in model.modules()] == [type(m) for m in plain.modules()]
    state, wanted = model.state_dict(), plain.state_dict()
    assert set(state) == set(wanted)
    for key, value in wanted.items():
        assert torch.equal(state[key], value), key
        assert state[key].stride() == value.stride(), key
    assert not torch.equal(sampled, model(images)), "the masks did something while they were on"
    assert torch.equal(model(images), plain(images))
    assert list(prunable_parameters(model)) == list(masks), "it can be pruned and searched again"


@pytest.mark.parametrize("name", ["conv2", "branching"])
def test_the_found_network_is_the_weights_times_the_selected(masked, network, name):
    model, masks, _ = masked(name)
    draw = torch.Generator().manual_seed(2)
    for mask in masks.values():
        mask.latent.data.normal_(generator=draw)
    plain = network(name).eval()
    for key, weight in prunable_parameters(plain).items():
        weight.data.mul_(masks[key].latent.detach() >= 0)
    images = torch.randn(4, 1, 16, 16)
    model.eval()
    with torch.no_grad(), viewed(masks, "found"):
        for key, weight in prunable_parameters(plain).items():
            found = model.get_submodule(key.removesuffix(".weight")).weight
            assert torch.equal(found, weight)
            if weight.shape[1] > 1:  # one channel lies the same in either layout
                assert found.stride() == weight.stride()
        torch.testing.assert_close(model(images), plain(images))
    assert not any(mask.view != "searched" for mask in masks.values())


def test_the_search_s_network_comes_back_when_the_evaluation_breaks(masked):
    _, masks, _ = masked("fc")
    with pytest.raises(KeyboardInterrupt), viewed(masks, "found"):
        raise KeyboardInterrupt
    assert not any(mask.view != "searched" for mask in masks.values())


def test_excluded_weights_stay_plain_and_frozen(masked):
    model, masks, _ = masked("fc", exclude=["classifier.weight"])
    assert list(masks) == ["features.fc1.weight"]
    assert isinstance(model.classifier.weight, torch.nn.Parameter)
    assert not model.classifier.weight.requires_grad


def test_excluding_what_is_not_there_is_refused(network, coin):
    model = network("fc")
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(UserError, match=r"did you mean 'classifier\.weight'") as caught:
        attach(model, lambda _, weight: coin(weight), exclude=["clasifier.weight"])
    assert "\n" not in str(caught.value)
    assert model.state_dict().keys() == before.keys()
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_random_mask_without_noise_says_so(network, coin):
    model = network("fc")
    attach(model, lambda _, weight: coin(weight))
    with pytest.raises(ValueError, match="needs its noise drawn"):
        model(torch.zeros(1, 1, 16, 16))


@pytest.mark.parametrize("with_factors", [False, True])
def test_parameter_counts_of_conv2(coin, one_factor, with_factors):
    """Spec section 3: what is trainable in a search, and all parameter objects of the module."""
    model = build_model("conv2", num_classes=10)
    attach(model, lambda _, w: coin(w, one_factor() if with_factors else None))
    factors = 5 if with_factors else 0
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == 4_300_992 + factors
    assert sum(p.numel() for p in model.parameters()) == 8_602_634 + factors


def test_edge_popup_on_a_network(network):
    model = network("vgg11")
    draw = torch.Generator().manual_seed(3)
    masks = attach(
        model,
        lambda _, w: EdgePopupMask(w, torch.randn(w.shape, generator=draw), sparsity=0.5),
    )
    with viewed(masks, "found"):
        for name, mask in masks.items():
            weight = model.get_submodule(name.removesuffix(".weight")).weight
            size = weight.numel()
            assert int(mask.selected().sum()) == size - round(0.5 * (size - 1)), name
            assert int((weight != 0).sum()) == int(mask.selected().sum()), name


def test_layers_that_share_a_weight_are_refused(coin):
    first, second = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)
    second.weight = first.weight
    with pytest.raises(UserError, match=r"0\.weight and 1\.weight are one weight"):
        attach(torch.nn.Sequential(first, second), lambda _, weight: coin(weight))


def test_a_search_needs_at_least_one_mask(network, coin):
    model = network("fc")
    with pytest.raises(UserError, match=r"find\.exclude: leaves no weight"):
        attach(model, lambda _, weight: coin(weight), exclude=list(prunable_parameters(model)))
