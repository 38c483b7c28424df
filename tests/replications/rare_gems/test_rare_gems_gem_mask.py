"""The mask of Gem-Miner and of the hypercube: rounding, its gradients, its ticket."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from common.masks import Noise, attach, viewed
from common.training import build_optimizer
from replications.rare_gems.gem_mask import SCORE_INITS, GemMask
from replications.rare_gems.gem_miner import HypercubeRule
from replications.rare_gems.options import GemMinerOptions

pytestmark = pytest.mark.usefixtures("one_thread")
DRAWS = 200_000


def mask_of(scores, weight=None, active=None, **options):
    scores = torch.as_tensor(scores)
    made = GemMask(torch.ones_like(scores) if weight is None else weight, scores, **options)
    if active is not None:
        made.freeze(torch.tensor(active))
    return made


def gradient(mask, incoming):
    mask.mask().backward(torch.tensor(incoming))
    return mask.latent.grad.tolist()


# --- the forward pass


def test_a_score_is_rounded_to_one_only_above_the_threshold():
    above = float(torch.nextafter(torch.tensor(0.5), torch.tensor(1.0)))
    mask = mask_of([0.0, 0.5, above, 1.0, 0.9], active=[True, True, True, True, False])
    assert mask.mask().tolist() == [0.0, 0.0, 1.0, 1.0, 0.0]
    assert mask.rounded().tolist() == [False, False, True, True, False]
    assert mask_of([0.3, 0.31, 0.5], threshold=0.3).mask().tolist() == [0.0, 1.0, 1.0]


def test_without_quantisation_the_network_of_the_search_has_the_weights_w_times_p():
    weight = torch.tensor([2.0, -4.0, 8.0])
    mask = mask_of([0.25, 0.75, 0.5], weight, [True, True, False], quantized=False)
    assert mask(weight).tolist() == [0.5, -3.0, 0.0]
    with viewed({"w": mask}, "rounded"):
        assert mask(weight).tolist() == [0.0, -4.0, 0.0]
    assert mask.is_relaxed and not mask.is_random


def test_the_three_networks_of_a_search():
    weight = torch.tensor([2.0, -4.0, 8.0])
    for ticket, found in (("frozen", [2.0, -4.0, 0.0]), ("rounded", [0.0, -4.0, 0.0])):
        mask = mask_of([0.25, 0.75, 0.9], weight, [True, True, False], ticket=ticket)
        views = {}
        for view in ("searched", "rounded", "found"):
            with viewed({"w": mask}, view):
                views[view] = mask(weight).tolist()
        assert views == {"searched": [0, -4, 0], "rounded": [0, -4, 0], "found": found}
        assert not mask.is_relaxed, "the network of the search is the rounded one"


# --- gradients


def test_the_gradient_passes_the_rounding_and_spares_what_is_frozen():
    mask = mask_of([0.6, 0.4, 0.0, 1.0, 0.7], active=[True, True, True, True, False])
    assert gradient(mask, [1.0, -2.0, 3.0, 4.0, 5.0]) == [1.0, -2.0, 3.0, 4.0, 0.0]


def test_a_step_by_hand():
    """y = sum_i w_i m_i x, x = 2, w = (0.5, -0.5), p = (0.6, 0.4), loss y^2 / 2, lambda 0.01."""
    options = GemMinerOptions.model_validate(
        {"sparsity": 0.5, "lambda": 0.01, "lr": 0.1, "momentum": 0.0}
    )
    neuron = nn.Linear(2, 1, bias=False)
    neuron.weight.data = torch.tensor([[0.5, -0.5]])
    masks = attach(neuron, lambda _, w: mask_of([[0.6, 0.4]], w))
    (mask,) = masks.values()
    rule = HypercubeRule(masks, {"weight": neuron.parametrizations.weight.original}, options)
    optimizer = build_optimizer(options.recipe(), [mask.latent])
    loss = neuron(torch.tensor([[2.0, 2.0]])).square().sum() / 2
    loss.backward()
    assert mask.latent.grad.tolist() == [[1.0, -1.0]]
    assert float(loss.detach()) + rule.penalty() == pytest.approx(0.5052)
    rule.prepare()
    optimizer.step()
    assert mask.latent.tolist()[0] == pytest.approx([0.4988, 0.4992])
    assert mask.mask().tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("quantized", [True, False])
def test_gradients_of_a_network_by_finite_differences(quantized):
    """Relaxed: those of its own loss; rounded: those of w_eff, times w, in float64."""
    source = torch.Generator().manual_seed(2)
    net = nn.Sequential(nn.Linear(5, 4, bias=False), nn.Tanh(), nn.Linear(4, 3, bias=False))
    net.double()
    for parameter in net.parameters():
        parameter.data.normal_(generator=source)
    plain = {name: value.detach().clone() for name, value in net.named_parameters()}

    def make(_, weight):
        scores = torch.rand(weight.shape, generator=source, dtype=torch.float64)
        return mask_of(scores, weight, quantized=quantized)

    masks = attach(net, make)
    frozen = masks["0.weight"]
    frozen.freeze(torch.rand(frozen.shape, generator=source) < 0.7)
    x = torch.randn(6, 5, generator=source, dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 0, 1, 2])

    def loss(effective):
        hidden = torch.tanh(x @ effective["0.weight"].T)
        return nn.functional.cross_entropy(hidden @ effective["2.weight"].T, labels)

    nn.functional.cross_entropy(net(x), labels).backward()
    effective = {n: (plain[n] * masks[n].mask()).detach() for n in masks}
    for name, mask in masks.items():
        for place in ((0, 0), (1, 3), (2, 2)):
            moved, step = [], 1e-6
            for sign in (1.0, -1.0):
                changed = {key: value.clone() for key, value in effective.items()}
                changed[name][place] += sign * step * plain[name][place] * mask.active[place]
                moved.append(float(loss(changed)))
            numeric = (moved[0] - moved[1]) / (2 * step)
            assert float(mask.latent.grad[place]) == pytest.approx(numeric, abs=1e-8)
    assert not frozen.latent.grad[frozen.active == 0].any()


def test_clamped_in_the_forward_pass_a_score_outside_gets_no_gradient():
    scores = [-0.1, 0.2, 0.8, 1.3]
    for quantized in (True, False):
        free = mask_of(scores, quantized=quantized)
        assert gradient(free, [1.0] * 4) == [1.0] * 4
        clamped = mask_of(scores, quantized=quantized, clamp_in_forward=True)
        assert gradient(clamped, [1.0] * 4) == [0.0, 1.0, 1.0, 0.0]
    assert clamped.mask().tolist() == pytest.approx([0.0, 0.2, 0.8, 1.0])


# --- random rounding and noise


def drawn(scores, purpose="train", **options):
    mask = mask_of(scores, **options)
    noise = Noise([mask], 0)
    noise.draw(purpose, 0)
    return mask


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_probabilistic_rounding_keeps_a_weight_with_the_probability_of_its_score(p):
    mask = drawn(torch.full((DRAWS,), p), probabilistic=True, ticket="rounded", quantized=False)
    share = float(mask.rounded().double().mean())
    assert share == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / DRAWS))
    assert torch.equal(mask.rounded(), mask.selected())
    assert torch.equal(mask.probability(), mask.latent)
    mask.freeze(torch.zeros(DRAWS, dtype=torch.bool))
    assert not mask.rounded().any() and not mask.probability().any()


def test_noise_is_gaussian_and_acts_before_the_rounding_of_the_search_only():
    mask = drawn(torch.full((DRAWS,), 0.4), noise=0.2)
    kept = float(mask.mask().detach().mean())
    wanted = 0.5 * math.erfc(0.5 / math.sqrt(2))  # 0.1 below the threshold: half a deviation
    assert kept == pytest.approx(wanted, abs=4 * math.sqrt(wanted * (1 - wanted) / DRAWS))
    assert not mask.rounded().any() and not mask.selected().logical_not().any()
    assert gradient(mask, [1.0] * DRAWS)[:3] == [1.0, 1.0, 1.0]
    assert mask.is_relaxed and mask.is_random


def test_the_ends_of_the_uniform_noise_stay_finite():
    mask = mask_of([0.5, 0.5], noise=0.1)
    mask.noise = torch.tensor([0.0, 1.0 - 2**-24])
    assert mask.mask().tolist() == [0.0, 1.0]


# --- first scores and tickets


@pytest.mark.parametrize(
    ("name", "mean", "variance"),
    [
        ("unif", 1 / 2, 1 / 12),
        ("half", 1 / 2, 0.0),
        ("bern", 1 / 2, 1 / 4),
        ("skew", 1 / 6, 5 / 252),
        ("bimodal", 1 / 2, 1 / 4 / 1.2),
        ("all_one", 1.0, 0.0),
    ],
)
def test_first_scores_have_the_moments_of_their_law(name, mean, variance):
    shape = torch.Size((200, 1000))
    one, same, other = (
        SCORE_INITS[name](shape, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert one.shape == shape and one.dtype == torch.float32
    assert float(one.min()) >= 0.0 and float(one.max()) <= 1.0
    assert float(one.double().mean()) == pytest.approx(mean, abs=0.005)
    assert float(one.double().var()) == pytest.approx(variance, abs=0.003)
    assert torch.equal(one, same)
    assert torch.equal(one, other) is (variance == 0.0)


ENTRIES = st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=1, max_size=30)


@given(ENTRIES)
def test_unflagging_restores_exactly_the_never_frozen_weights_rounded_to_zero(entries):
    scores, active = [s for s, _ in entries], [a for _, a in entries]
    rounded = mask_of(scores, active=active, ticket="rounded").selected()
    frozen = mask_of(scores, active=active, ticket="frozen").selected()
    restored = [not r and f for r, f in zip(rounded.tolist(), frozen.tolist(), strict=True)]
    assert restored == [a and s <= 0.5 for s, a in entries]
    assert frozen.tolist() == active
    assert bool((frozen | ~rounded).all())


def test_a_weight_that_does_not_count_is_searched_and_whole_in_the_ticket():
    for ticket in ("frozen", "rounded"):
        mask = mask_of([0.2, 0.8], ticket=ticket)
        mask.counted = False
        assert mask.rounded().tolist() == [False, True]
        assert mask.mask().tolist() == [0.0, 1.0]
        assert mask.selected().tolist() == [True, True]
