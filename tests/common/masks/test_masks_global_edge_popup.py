"""Edge-popup over the whole network: the shared level, its gradual rise, counts of ResNet-20."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from common.finders import FINDERS
from common.masks import (
    EdgePopupMask,
    GlobalEdgePopupMask,
    GlobalEdgePopupRule,
    edge_popup_removed,
    gradual_fraction,
)
from common.training import build_optimizer

RESNET20 = [432, *[2304] * 6, 4608, *[9216] * 5, 18432, *[36864] * 5, 640]


def rule_of(*scores, sparsity=0.5, invert=False, epochs=1, period=None):
    rows = [torch.as_tensor(row, dtype=torch.float32) for row in scores]
    masks = {
        f"layer{i}": GlobalEdgePopupMask(torch.ones_like(row), row, invert=invert)
        for i, row in enumerate(rows)
    }
    rule = GlobalEdgePopupRule(masks, sparsity, epochs=epochs, period=period)
    return rule, list(masks.values())


def kept(masks):
    return [mask.selected().int().tolist() for mask in masks]


# --- the level


def test_ten_scores_by_hand():
    """|s| = 1..10, r = 0.5: k = 5, t = 5, and 6 to 10 stay, whatever their sign and layer."""
    _, masks = rule_of([1.0, -10.0, 3.0, -6.0], [7.0, 2.0, -5.0], [-8.0, 4.0, 9.0])
    assert kept(masks) == [[0, 1, 0, 1], [1, 0, 0], [1, 0, 1]]
    assert all(float(mask.level) == 5.0 for mask in masks)
    assert masks[0].mask().tolist() == [0.0, 1.0, 0.0, 1.0]


def test_inverted_the_lowest_stay():
    _, masks = rule_of([1.0, -10.0, 3.0, -6.0], [7.0, 2.0, -5.0], [-8.0, 4.0, 9.0], invert=True)
    assert kept(masks) == [[1, 0, 1, 0], [0, 1, 1], [0, 1, 0]]


@pytest.mark.parametrize(
    ("sparsity", "left", "inverted"),
    [(0.0, 4, 4), (0.01, 3, 3), (0.25, 3, 3), (0.3, 2, 2), (1.0, 0, 0)],
)
def test_the_number_removed_is_rounded_up(sparsity, left, inverted):
    for invert, wanted in ((False, left), (True, inverted)):
        _, masks = rule_of([0.0, 1.0], [2.0, 3.0], sparsity=sparsity, invert=invert)
        assert sum(map(sum, kept(masks))) == wanted


def test_ties_with_the_level_go():
    _, masks = rule_of([2.0, -2.0, 2.0, 5.0], sparsity=0.25)
    assert kept(masks) == [[0, 0, 0, 1]]


def test_the_level_follows_the_scores_before_every_forward_pass():
    rule, masks = rule_of([1.0, 2.0], [3.0, 4.0])
    assert kept(masks) == [[0, 0], [1, 1]]
    masks[0].latent.data.mul_(-9.0)
    rule.before_forward()
    assert kept(masks) == [[1, 1], [0, 0]], "a weight that was left out comes back"
    masks[1].latent.data.mul_(100.0)
    assert rule.end_epoch(0) == {} and kept(masks) == [[0, 0], [1, 1]]


def test_the_gradient_is_that_of_edge_popup_by_layers():
    _, (mask,) = rule_of([0.5, -2.0, 0.0, -0.1, 3.0])
    by_layer = EdgePopupMask(torch.ones(5), torch.tensor([0.5, -2.0, 0.0, -0.1, 3.0]), 0.5)
    incoming = torch.tensor([1.0, 2.0, 3.0, 4.0, -5.0])
    for one in (mask, by_layer):
        one.mask().backward(incoming)
    assert mask.latent.grad.tolist() == [1.0, -2.0, 0.0, -4.0, -5.0]
    assert torch.equal(mask.latent.grad, by_layer.latent.grad)


SCORES = st.lists(
    st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=15), min_size=1, max_size=4
)


@given(SCORES, st.floats(0.0, 1.0), st.booleans())
def test_the_kept_are_the_largest_of_all_layers(scores, sparsity, invert):
    _, masks = rule_of(*scores, sparsity=sparsity, invert=invert)
    sizes = torch.cat([mask.latent.detach().abs() for mask in masks])
    chosen = torch.cat([mask.selected() for mask in masks])
    total, k = len(sizes), min(math.ceil(sparsity * len(sizes)), len(sizes))
    assert int(chosen.sum()) <= total - k
    if len(sizes.unique()) == total:
        assert int(chosen.sum()) == total - k
    if chosen.any() and not chosen.all():
        low, high = (sizes[chosen], sizes[~chosen]) if invert else (sizes[~chosen], sizes[chosen])
        assert low.max() < high.min()


# --- the gradual rise


def test_the_paper_s_fractions():
    """Density 0.59 %, 150 epochs, period 5: 29 steps of 0.162215."""
    found = [gradual_fraction(0.9941, 150, 5, epoch) for epoch in range(151)]
    assert found[:11] == pytest.approx([0.162215] * 11, abs=5e-7)
    assert found[11:16] == pytest.approx([0.298116] * 5, abs=1e-6)
    assert found[140] < 0.9941
    assert found[146:] == pytest.approx([0.9941] * 5)
    assert found == sorted(found) and len(set(found)) == 29


@pytest.mark.parametrize(("epochs", "period"), [(5, 4), (7, 3), (7, 1), (9, 4), (30, 2), (31, 5)])
def test_the_search_ends_at_the_target_and_never_beyond(epochs, period):
    found = [gradual_fraction(0.9, epochs, period, epoch) for epoch in range(epochs + 1)]
    assert found[-1] == pytest.approx(0.9) and max(found) <= 0.9 + 1e-12
    steps = (epochs - 1) // period
    assert found[0] == pytest.approx(1 - 0.1 ** (1 / steps))
    rises = [e for e in range(1, epochs + 1) if found[e] > found[e - 1]]
    assert all((epoch - 1) % period == 0 for epoch in rises), "behind multiples of the period"


def test_a_rule_sets_the_fraction_of_each_epoch_and_leaves_the_target():
    rule, (mask,) = rule_of(range(1, 101), sparsity=0.9, epochs=7, period=3)
    counts = []
    for epoch in range(7):
        rule.begin_epoch(epoch)
        counts.append(int(mask.selected().sum()))
        rule.close_epoch(epoch)
    first = 100 - math.ceil(100 * (1 - 0.1**0.5))
    assert counts == [first] * 7, "floor(7 / 3) = 2 steps, the second behind epoch 6"
    assert int(mask.selected().sum()) == 10
    rule.begin_epoch(2)
    assert int(mask.selected().sum()) == first, "an epoch alone decides, as after an interruption"


# --- counts and regularisation


@pytest.mark.parametrize(
    ("density", "counts", "total"),
    [
        (0.05, [22, *[116] * 6, 231, *[461] * 5, 922, *[1844] * 5, 32], 13_428),
        (0.005, [3, *[12] * 6, 24, *[47] * 5, 93, *[185] * 5, 4], 1_356),
        (0.5, [n // 2 for n in RESNET20], 134_168),
    ],
)
def test_edge_popup_by_layers_on_resnet20(density, counts, total):
    sparsity = round(1 - density, 6)
    found = [n - edge_popup_removed(n, sparsity, "floor") for n in RESNET20]
    assert found == counts and sum(found) == total


def test_ten_weights_of_a_layer_by_hand():
    """n = 10, k = 0.25: int(7.5) = 7 go and 3 stay."""
    scores = torch.arange(10.0)
    mask = EdgePopupMask(torch.ones(10), scores, 0.75, "floor")
    assert mask.selected().tolist() == [False] * 7 + [True] * 3
    lowest = EdgePopupMask(torch.ones(10), scores, 0.75, "floor", invert=True)
    assert lowest.selected().tolist() == [True] * 3 + [False] * 7


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_penalty_is_weight_decay_of_twice_its_weight(optimizer):
    given = {"sparsity": 0.5, "scope": "global", "regularization": "L2", "lambda": 0.05}
    recipe = {"optimizer": optimizer, "lr": 0.1, "weight_decay": 5e-4}
    options = FINDERS["edge_popup"].options.model_validate(given | recipe)
    assert options.recipe().weight_decay == pytest.approx(5e-4 + 0.1)
    start = torch.linspace(-1, 1, 9)
    target = torch.linspace(1, -0.5, 9)
    found, literal = (torch.nn.Parameter(start.clone()) for _ in range(2))
    for scores, used in ((found, options.recipe()), (literal, options.search)):
        learned = build_optimizer(used, [scores])
        for _ in range(6):
            learned.zero_grad()
            loss = (scores - target).square().sum()
            if scores is literal:
                loss = loss + 0.05 * scores.square().sum()
            loss.backward()
            learned.step()
    torch.testing.assert_close(found, literal, rtol=1e-5, atol=1e-6)
