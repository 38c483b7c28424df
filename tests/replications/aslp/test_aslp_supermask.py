"""Supermask: Bernoulli masks with the gradient of the probability (spec 2.5, 9.3)."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from replications.aslp.supermask import SupermaskMask, straight_through_bernoulli

pytestmark = pytest.mark.usefixtures("one_thread")
DRAWS = 1_000_000


def sample(latent, noise):
    latent = torch.as_tensor(latent, dtype=torch.float32).clone().requires_grad_()
    mask = straight_through_bernoulli(latent, noise)
    mask.sum().backward()
    return mask.detach(), latent.grad


def test_by_hand():
    latent = [-2.0, 0.0, 0.0, 0.0, 1.0]
    noise = torch.tensor([0.1, 0.499, 0.5, 0.501, 0.73])
    mask, slope = sample(latent, noise)
    assert mask.tolist() == [1.0, 1.0, 0.0, 0.0, 1.0]
    wanted = [0.104994, 0.25, 0.25, 0.25, 0.196612]
    torch.testing.assert_close(slope, torch.tensor(wanted), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("latent", "p", "factor"),
    [
        (0.0, 0.5, 0.25),
        (1.0, 0.731059, 0.196612),
        (2.0, 0.880797, 0.104994),
        (4.0, 0.982014, 0.017663),
        (-4.0, 1 - 0.982014, 0.017663),
    ],
)
def test_law_and_gradient_factor(latent, p, factor):
    noise = torch.rand(DRAWS, generator=torch.Generator().manual_seed(0))
    mask, slope = sample(torch.full((DRAWS,), latent), noise)
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    assert float(mask.mean()) == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / DRAWS))
    assert len(slope.unique()) == 1, "nothing about the gradient is random"
    assert float(slope[0]) == pytest.approx(factor, abs=1e-6)


@settings(deadline=None)
@given(st.floats(-1e4, 1e4, width=32), st.floats(0, 1, width=32, exclude_max=True))
def test_any_latent_and_any_noise(latent, u):
    mask, slope = sample([latent], torch.tensor([u]))
    assert float(mask) in (0.0, 1.0)
    assert 0.0 <= float(slope) <= 0.25
    if latent > 20.0:
        assert float(mask) == 1.0
    if latent < -200.0:
        assert float(mask) == 0.0


def test_the_gradient_reaches_the_latent_through_the_weight():
    weight = torch.tensor([2.0, -3.0, 5.0])
    mask = SupermaskMask(weight)
    mask.noise = torch.tensor([0.1, 0.9, 0.2])
    effective = mask(weight)
    assert effective.tolist() == [2.0, 0.0, 5.0]
    effective.backward(torch.tensor([1.0, 10.0, -1.0]))
    assert mask.latent.grad.tolist() == pytest.approx([0.5, -7.5, -1.25])


def test_the_pruned_network_keeps_what_reaches_the_threshold():
    mask = SupermaskMask(torch.ones(4), first=1.0)
    assert mask.latent.tolist() == [1.0] * 4 and mask.selected().all()
    mask.latent.data = torch.tensor([-0.1, 0.0, -0.0, 3.0])
    assert mask.selected().tolist() == [False, True, True, True]
    mask.threshold = 1.0
    assert mask.selected().tolist() == [False, False, False, True]
    assert mask.probability().tolist() == pytest.approx([0.4750208, 0.5, 0.5, 0.9525741])
