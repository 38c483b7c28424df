"""Masks sampled by the straight-through Gumbel-Softmax: spec 9.2, 9.3, 9.6 and 9.7."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from common.masks import Noise, attach, viewed
from common.models import build_model
from replications.aslp.gumbel import GumbelMask, literal_gumbel, straight_through_gumbel

pytestmark = pytest.mark.usefixtures("one_thread", "denormals")

LATENT = torch.tensor([-2.0, -0.5, 0.0, 0.25, 1.5, 3.0])
SELECT = torch.tensor([0.2, 1.5, 0.7, 2.0, 0.05, 1.0], dtype=torch.float64)
DROP = torch.tensor([1.0, 0.3, 0.7, 0.1, 2.5, 0.4], dtype=torch.float64)
# L = log(E2 / E1) is the logit of this.
NOISE = (DROP / (SELECT + DROP)).float()
HARD = [0.0, 0.0, 1.0, 0.0, 1.0, 1.0]
SOFT = {
    1.0: [0.4035820, 0.1081829, 0.5, 0.0603281, 0.9955572, 0.8893098],
    0.5: [0.3140776, 0.0145018, 0.5, 0.0041049, 0.9999801, 0.9847441],
}
SLOPE = {
    1.0: [0.2407036, 0.0964793, 0.25, 0.0566886, 0.0044230, 0.0984379],
    0.5: [0.4308658, 0.0285830, 0.5, 0.0081761, 3.98e-5, 0.0300463],
}
DRAWS = 1_000_000
FORMS = {
    "aslp": straight_through_gumbel,
    "naive": literal_gumbel,
    "logsigmoid": lambda *a, **k: literal_gumbel(*a, stable=True, **k),
}


@pytest.fixture
def denormals():
    """Compute with denormal numbers, which a run flushes to zero; it may have been in this process.

    PyTorch has no way to ask, so the setting is read off a product.
    """
    flushed = bool((torch.tensor([1e-38]) * 1e-3) == 0)
    torch.set_flush_denormal(False)
    yield
    torch.set_flush_denormal(flushed)


@pytest.fixture(scope="module")
def uniform():
    return torch.rand(DRAWS, generator=torch.Generator().manual_seed(0))


def sample(latent, noise, form="aslp", **options):
    """Return the mask and the derivative of its sum."""
    latent = torch.as_tensor(latent, dtype=torch.float32).clone().requires_grad_()
    mask = FORMS[form](latent, noise, **options)
    mask.sum().backward()
    return mask.detach(), latent.grad


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("tau", SOFT)
def test_the_table_of_injected_noise(tau, form):
    hard, slope = sample(LATENT, NOISE, form, tau=tau)
    assert hard.tolist() == HARD, "exactly 0 or 1; the tie selects"
    torch.testing.assert_close(slope, torch.tensor(SLOPE[tau]), rtol=2e-4, atol=1e-7)
    soft, slope_of_soft = sample(LATENT, NOISE, form, tau=tau, hard=False)
    torch.testing.assert_close(soft, torch.tensor(SOFT[tau]), rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(slope_of_soft, slope)


@pytest.mark.parametrize("tau", SOFT)
def test_the_closed_form_with_two_exponentials(tau):
    soft, slope = sample(LATENT, NOISE, tau=tau, hard=False)
    ratio = (SELECT / DROP) ** (1 / tau) * torch.exp(-LATENT.double() / tau)
    wanted = 1 / (1 + ratio)
    torch.testing.assert_close(soft.double(), wanted, rtol=2e-6, atol=1e-7)
    torch.testing.assert_close(slope.double(), wanted * (1 - wanted) / tau, rtol=1e-4, atol=1e-7)


def test_the_first_column_by_hand():
    soft, _ = sample([-2.0], torch.tensor([1 / 1.2]), hard=False)
    assert float(soft) == pytest.approx(1 / (1 + math.exp(2 - math.log(5))), abs=1e-6)


def test_the_gradient_is_multiplied_by_what_comes_in():
    latent = LATENT.clone().requires_grad_()
    incoming = torch.tensor([1.0, -2.0, 4.0, 0.0, 100.0, 0.5])
    straight_through_gumbel(latent, NOISE).backward(incoming)
    torch.testing.assert_close(latent.grad, incoming * torch.tensor(SLOPE[1.0]), rtol=1e-4, atol=0)


@pytest.mark.parametrize("latent", [-3.0, -1.0, 0.0, 0.5, 2.0])
@pytest.mark.parametrize("tau", [1.0, 0.3])
def test_the_law_is_sigma_of_the_latent_for_every_temperature(uniform, latent, tau):
    mask, _ = sample(torch.full((DRAWS,), latent), uniform, tau=tau)
    p = 1 / (1 + math.exp(-latent))
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    assert float(mask.mean()) == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / DRAWS))


@pytest.mark.parametrize(
    ("latent", "mean", "factor"),
    [
        (0.0, 0.5, 0.166667),
        (1.0, 0.661303, 0.150948),
        (2.0, 0.794487, 0.113328),
        (4.0, 0.942636, 0.040848),
        (-2.0, 1 - 0.794487, 0.113328),
    ],
)
def test_expected_soft_mask_and_gradient_factor(uniform, latent, mean, factor):
    if latent:
        a = math.exp(latent)
        assert mean == pytest.approx(a * (a - 1 - latent) / (a - 1) ** 2, abs=1e-6)
        by_hand = a * ((a + 1) * latent - 2 * (a - 1)) / (a - 1) ** 3
        assert factor == pytest.approx(by_hand, abs=1e-6)
    soft, slope = sample(torch.full((DRAWS,), latent), uniform, hard=False)
    assert float(soft.mean()) == pytest.approx(mean, abs=1e-3)
    assert float(slope.mean()) == pytest.approx(factor, abs=1e-3)


@pytest.mark.parametrize("latent", [-1.0, 0.0, 2.0])
@pytest.mark.parametrize("tau", [1.0, 0.5])
def test_two_gumbel_variables_give_the_same_law(uniform, latent, tau):
    """The paper's softmax of (latent + g1, g2) against the one logistic variable used here."""
    draw = torch.Generator().manual_seed(1)
    g = -torch.empty(DRAWS, 2).exponential_(generator=draw).log_()
    logits = torch.stack([latent + g[:, 0], g[:, 1]], dim=1)
    two_soft = torch.softmax(logits / tau, dim=1)[:, 0]
    two_hard = (logits.argmax(dim=1) == 0).float()
    hard, slope = sample(torch.full((DRAWS,), latent), uniform, tau=tau)
    soft, _ = sample(torch.full((DRAWS,), latent), uniform, tau=tau, hard=False)
    assert float(hard.mean()) == pytest.approx(float(two_hard.mean()), abs=2.5e-3)
    two_slope = two_soft * (1 - two_soft) / tau
    assert float(slope.mean()) == pytest.approx(float(two_slope.mean()), abs=1.5e-3)
    levels = torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95])
    ours, theirs = (torch.quantile(x, levels) for x in (soft, two_soft))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=4e-3)


@settings(deadline=None, max_examples=50)
@given(
    latent=st.floats(-8, 8, width=32),
    c=st.floats(-30, 30),
    u=st.floats(0.01, 0.99),
    tau=st.sampled_from([0.5, 1.0, 2.0]),
)
def test_a_shift_of_both_logits_changes_nothing(latent, c, u, tau):
    """The softmax of (latent + c + L, c), literally, has the mask and gradient without c."""
    mask, slope = sample([latent], torch.tensor([u]), tau=tau)
    shifted = torch.tensor([latent], dtype=torch.float64, requires_grad=True)
    logit = math.log(u) - math.log1p(-u)
    y = torch.softmax(torch.cat([shifted + c + logit, torch.tensor([c])]) / tau, dim=0)[0]
    y.backward()
    if abs(latent + logit) > 1e-4:
        assert float(mask) == float(latent + logit >= 0)
    # In float32 1 - y has steps of 6e-8, and the slope is divided by tau.
    assert float(slope) == pytest.approx(float(shifted.grad), rel=2e-4, abs=1e-6)


@pytest.mark.parametrize("hard", [True, False])
@pytest.mark.parametrize("tau", [1.0, 0.1])
@pytest.mark.parametrize("form", ["aslp", "logsigmoid"])
def test_extreme_noise_and_latents_stay_finite(form, tau, hard):
    ends = torch.tensor([0.0, 1e-30, 0.5, 1 - 2**-24])
    latents = torch.tensor([-1e4, -100.0, -17.0, 0.0, 17.0, 100.0, 1e4])
    mask, slope = sample(latents.repeat_interleave(4), ends.repeat(7), form, tau=tau, hard=hard)
    assert torch.isfinite(mask).all() and torch.isfinite(slope).all()
    assert float(mask.min()) >= 0.0 and float(mask.max()) <= 1.0
    assert float(slope.min()) >= 0.0 and float(slope.max()) <= 0.25 / tau * 1.001
    # Noise reaches 16.1 at most, so these are always dropped or always selected.
    rounded = mask.view(7, 4).round()
    assert not rounded[:3].any() and rounded[4:].all()


@settings(deadline=None, max_examples=100)
@given(st.floats(-1e4, 1e4, width=32), st.floats(0, 1, width=32, exclude_max=True))
def test_any_latent_and_any_noise(latent, u):
    mask, slope = sample([latent], torch.tensor([u]))
    assert float(mask) in (0.0, 1.0)
    assert 0.0 <= float(slope) <= 0.25


# --- the parametrisation that the paper replaces


@pytest.mark.parametrize("form", ["naive", "logsigmoid"])
@pytest.mark.parametrize("hard", [True, False])
def test_all_parametrisations_agree_where_none_overflows(form, hard):
    latent = torch.linspace(-10, 10, 2001)
    noise = torch.rand(2001, generator=torch.Generator().manual_seed(2))
    mask, slope = sample(latent, noise, hard=hard)
    other, other_slope = sample(latent, noise, form, hard=hard)
    # 1 - sigma(10) has lost twelve of its 24 bits: the logit is right to a thousandth.
    certain = (latent + torch.logit(noise)).abs() > 2e-3
    assert certain.float().mean() > 0.99
    torch.testing.assert_close(other[certain], mask[certain], rtol=0, atol=1e-3)
    torch.testing.assert_close(other_slope, slope, rtol=5e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("latent", "finite"),
    [(16.5, True), (17.0, False), (20.0, False), (-88.0, True), (-89.0, False), (-100.0, False)],
)
def test_where_the_naive_parametrisation_overflows(latent, finite):
    noise = torch.tensor([0.5])
    _, slope = sample([latent], noise, "naive")
    assert bool(torch.isfinite(slope).all()) is finite
    if not finite:
        assert bool(torch.isnan(slope).all())
    for form in ("aslp", "logsigmoid"):
        mask, slope = sample([latent], noise, form)
        assert mask.tolist() == [float(latent > 0)]
        assert bool(torch.isfinite(slope).all())


# --- in a network


@pytest.fixture(scope="module")
def conv4():
    model = build_model("conv4", num_classes=10)
    masks = attach(model, lambda _, weight: GumbelMask(weight))
    return model, masks, Noise(masks.values(), seed=0)


def sampled(masks, noise, *key):
    noise.draw(*key)
    with torch.no_grad():
        return torch.cat([mask.mask().flatten() for mask in masks.values()])


def test_at_the_start_a_sample_keeps_one_half(conv4):
    _, masks, noise = conv4
    first, second = (sampled(masks, noise, "train", 0, step) for step in (0, 1))
    assert len(first) == 2_425_024
    for mask in (first, second):
        assert float(mask.mean()) == pytest.approx(0.5, abs=0.0015)
    assert float((first == second).float().mean()) == pytest.approx(0.5, abs=0.002)


def test_at_the_start_two_forward_passes_of_a_batch_differ(conv4):
    model, _, noise = conv4
    images = torch.rand(2, 3, 32, 32)
    outputs = []
    with torch.no_grad():
        for key in (("train", 0), ("train", 1), ("train", 0)):
            noise.draw(*key)
            outputs.append(model(images))
    assert not torch.equal(outputs[0], outputs[1])
    assert torch.equal(outputs[0], outputs[2])


def test_at_the_start_the_pruned_network_keeps_everything(conv4):
    _, masks, _ = conv4
    assert all(bool(mask.selected().all()) for mask in masks.values())
    with viewed(masks, "found"):
        for name, mask in masks.items():
            weight = conv4[0].get_submodule(name.removesuffix(".weight")).parametrizations.weight
            assert torch.equal(mask(weight.original), weight.original)


def test_initial_loss_is_that_of_guessing(conv4):
    model, _, noise = conv4
    draw = torch.Generator().manual_seed(4)
    images, labels = torch.rand(20, 3, 32, 32, generator=draw), torch.arange(20) % 10
    noise.draw("train", 0)
    with torch.no_grad():
        loss = torch.nn.functional.cross_entropy(model(images), labels)
    assert float(loss) == pytest.approx(math.log(10), abs=0.05)


def test_the_threshold_decides_what_is_selected():
    mask = GumbelMask(torch.ones(5), threshold=0.2)
    mask.latent.data = torch.tensor([-0.1, 0.0, 0.2, -3.0, 5.0])
    assert mask.selected().tolist() == [False, False, True, False, True]
    assert mask.probability().tolist() == pytest.approx(
        [1 / (1 + math.exp(-x)) for x in (-0.1, 0.0, 0.2, -3.0, 5.0)]
    )


def test_the_first_latent_is_an_option():
    mask = GumbelMask(torch.ones(3), first=-1.5)
    assert mask.latent.tolist() == [-1.5] * 3
    assert not mask.selected().any()
