"""Weight rescale by hand: smart and dynamic factors, their gradients and their steps (spec 9.4)."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from common.config import TrainConfig
from common.data import Batches
from common.masks import MaskLearner, Noise, RescaleTraining, SearchConfig, attach, viewed
from common.models import build_model
from common.randomness import generator
from common.training import TrainData, build_optimizer
from replications.aslp.gumbel import GumbelMask
from replications.aslp.rescale import DynamicRescale, SmartRescale
from replications.aslp.supermask import SupermaskMask

pytestmark = pytest.mark.usefixtures("one_thread")


def test_pruning_by_hand():
    mask = GumbelMask(torch.ones(5), rescale=SmartRescale())
    mask.latent.data = torch.tensor([-0.1, 0.0, 0.2, -3.0, 5.0])
    mask.rescale.factor_parameter.data.fill_(1.3)
    mask.view = "found"
    assert mask(torch.ones(5)).tolist() == pytest.approx([0.0, 1.3, 1.3, 0.0, 1.3])
    assert 1 - float(mask.selected().float().mean()) == pytest.approx(0.4)


def test_smart_rescale_by_hand():
    rescale = SmartRescale()
    assert rescale.factor_parameter.item() == 1.0
    weight, mask = torch.tensor([2.0, -3.0, 4.0]), torch.tensor([1.0, 0.0, 1.0])
    effective = rescale(weight, mask)
    assert effective.tolist() == [2.0, 0.0, 4.0]
    effective.backward(torch.tensor([1.0, 5.0, -2.0]))
    # dL/ds = sum(dL/dW_eff * W * m)
    assert float(rescale.factor_parameter.grad) == 1 * 2 - 2 * 4


@pytest.mark.parametrize(("ones", "total", "factor"), [(3, 9, 3.0), (5, 10, 2.0), (7, 7, 1.0)])
def test_dynamic_rescale_divides_by_the_kept_fraction(ones, total, factor):
    weight = torch.arange(1.0, total + 1)
    mask = (torch.arange(total) < ones).float()
    assert torch.equal(DynamicRescale()(weight, mask), factor * weight * mask)
    assert DynamicRescale().factor(mask.bool()) == factor


def test_the_gradient_through_the_normaliser_by_hand():
    """With f = N / S: d(f m_i) / d m_j = f delta_ij - f m_i / S."""
    mask = torch.tensor([1.0, 0.0, 1.0, 0.0], dtype=torch.float64)
    f, total = 2.0, 2.0
    found = torch.autograd.functional.jacobian(
        lambda m: DynamicRescale()(torch.ones_like(m), m), mask
    )
    wanted = f * torch.eye(4, dtype=torch.float64) - f * mask.view(4, 1).expand(4, 4) / total
    torch.testing.assert_close(found, wanted)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_the_gradient_through_the_normaliser_by_finite_differences(seed):
    draw = torch.Generator().manual_seed(seed)
    weight = torch.randn(3, 4, generator=draw, dtype=torch.float64)
    mask = (0.2 + torch.rand(3, 4, generator=draw, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(lambda m: DynamicRescale()(weight, m), (mask,))


def test_an_empty_mask_is_not_scaled():
    mask = torch.zeros(5, requires_grad=True)
    effective = DynamicRescale()(torch.ones(5), mask)
    effective.sum().backward()
    assert effective.tolist() == [0.0] * 5
    assert torch.isfinite(mask.grad).all()
    assert DynamicRescale().factor(torch.zeros(5, dtype=torch.bool)) == 5.0


def test_with_dynamic_rescale_every_latent_gets_a_gradient():
    """Through the sum even those whose own input is always zero (spec 2.5)."""
    weight = torch.randn(6, generator=torch.Generator().manual_seed(0))
    incoming = torch.tensor([1.0, 0.0, 2.0, 0.0, 0.0, 1.0])
    for rescale, reached in ((DynamicRescale(), [True] * 6), (None, (incoming != 0).tolist())):
        mask = SupermaskMask(weight, rescale=rescale)
        mask.noise = torch.tensor([0.1, 0.1, 0.9, 0.9, 0.1, 0.1])
        mask(weight).backward(incoming)
        assert (mask.latent.grad != 0).tolist() == reached


def test_momentum_by_hand():
    """Learning rate 50, momentum 0.9 and a constant gradient g: -50 g, -145 g, -280.5 g."""
    latent = torch.nn.Parameter(torch.zeros(3))
    g = torch.tensor([1e-3, -2e-3, 0.0])
    optimizer = build_optimizer(SearchConfig(), [latent])
    for total in (-50.0, -145.0, -280.5):
        latent.grad = g.clone()
        optimizer.step()
        torch.testing.assert_close(latent.detach(), total * g)


def test_a_factor_s_steps_by_hand():
    scale = torch.nn.Parameter(torch.ones(()))
    recipe = TrainConfig(lr=1e-3, momentum=0.9, weight_decay=0.0)
    optimizer = build_optimizer(recipe, [scale])
    for wanted in (0.9998, 0.99942):
        scale.grad = torch.tensor(0.2)
        optimizer.step()
        assert float(scale.detach()) == pytest.approx(wanted, abs=1e-7)


@pytest.mark.parametrize("name", ["conv2", "conv4"])
def test_without_biases_all_factors_get_the_same_gradient(name):
    model = build_model(
        name, num_classes=10, in_channels=1, width_mult=0.1, image_size=8, bias=False
    ).double()
    masks = attach(model, lambda _, weight: GumbelMask(weight, rescale=SmartRescale()))
    draw = torch.Generator().manual_seed(0)
    for mask in masks.values():
        mask.noise = torch.rand(mask.latent.shape, generator=draw, dtype=torch.float64)
    images = torch.rand(16, 1, 8, 8, generator=draw, dtype=torch.float64)
    F.cross_entropy(model(images), torch.arange(16) % 10).backward()
    grads = [float(mask.rescale.factor_parameter.grad) for mask in masks.values()]
    assert len(grads) == len(masks) and abs(grads[0]) > 1e-8
    assert grads == pytest.approx([grads[0]] * len(grads), rel=1e-5)


@pytest.fixture
def data(digits):
    def batches(split):
        return Batches(split.select(torch.arange(80)), 20, digits.normalization())

    return TrainData(batches(digits.train), batches(digits.test), batches(digits.validation))


def learner(data, bias=True, two_pass=True):
    model = build_model(
        "fc",
        num_classes=10,
        in_channels=1,
        generator=generator(0, "initialise"),
        hidden=[12, 11],
        image_size=16,
        bias=bias,
    )
    masks = attach(model, lambda _, weight: GumbelMask(weight, rescale=SmartRescale()))
    rescale = RescaleTraining(1e-3, 0.9, two_pass=two_pass)
    search = SearchConfig(epochs=1, batch_size=20)
    cpu = torch.device("cpu")
    return MaskLearner(model, masks, data, search, rescale=rescale, seed=5, device=cpu)


def factors(one):
    return [float(mask.rescale.factor_parameter.detach()) for mask in one.masks.values()]


@pytest.mark.parametrize("bias", [False, True])
def test_without_biases_all_factors_stay_equal(data, bias):
    one = learner(data, bias)
    for number, batch in enumerate(data.train.sequential()):
        one.step(0, number, *batch)
    values = factors(one)
    assert all(value != 1.0 for value in values)
    spread = max(values) - min(values)
    assert (spread < 1e-6) is (not bias)


def test_two_passes_by_hand(data):
    """The factors' step sees a fresh sample of the masks from the latents just stepped."""
    one, other = learner(data), learner(data)
    noise = Noise(other.masks.values(), 5)
    latents = [mask.latent for mask in other.masks.values()]
    scales = [mask.rescale.factor_parameter for mask in other.masks.values()]
    for p in (*latents, *scales):
        p.requires_grad_(True)
    fast = torch.optim.SGD(latents, lr=50.0, momentum=0.9)
    slow = torch.optim.SGD(scales, lr=1e-3, momentum=0.9)
    one.begin_epoch(3)
    for number, (images, labels) in enumerate(data.train.sequential()):
        one.step(3, number, images, labels)
        for index, optimizer in enumerate((fast, slow)):
            noise.draw("train", 3, number, index)
            other.model.zero_grad()
            F.cross_entropy(other.model(images), labels).backward()
            optimizer.step()
        for mine, by_hand in zip(one.masks.values(), other.masks.values(), strict=True):
            torch.testing.assert_close(mine.latent, by_hand.latent, rtol=1e-4, atol=1e-5)
        assert factors(one) == pytest.approx(factors(other), abs=1e-6)


def test_the_learned_factor_is_in_the_found_network(data):
    one = learner(data)
    for mask in one.masks.values():
        mask.rescale.factor_parameter.data.fill_(0.5)
    first = one.model.features.fc1
    with viewed(one.masks, "found"):
        assert torch.equal(first.weight, 0.5 * first.parametrizations.weight.original)
