"""The regularisers: their value at the start, their slopes, and L2 as the weight decay it is."""

import pytest
import torch

from common.training import build_optimizer
from replications.rare_gems.gem_mask import GemMask
from replications.rare_gems.gem_miner import HypercubeRule
from replications.rare_gems.options import HypercubeOptions
from replications.rare_gems.penalties import PENALTIES

pytestmark = pytest.mark.usefixtures("one_thread")
NAMES = list(PENALTIES)
COUNT = 400_000


def options(name, weight=0.5, **more):
    return HypercubeOptions.model_validate({"regularization": name, "lambda": weight, **more})


def rule_of(scores, name, weights=None, counted=True, **more):
    weights = {k: torch.ones_like(v) for k, v in scores.items()} if weights is None else weights
    masks = {key: GemMask(weights[key], value) for key, value in scores.items()}
    for mask in masks.values():
        mask.counted = counted
    return HypercubeRule(masks, weights, options(name, **more)), masks


# --- values


@pytest.mark.parametrize(
    ("name", "more", "mean"),
    [
        ("L2", {}, 1 / 3),
        ("L1", {}, 1 / 2),
        ("L1_L2", {}, 5 / 6),
        ("var_red_1", {}, 1 / 6),
        ("var_red_1", {"alpha": 2.0, "alpha_prime": 1.0}, 1 / 12),
        ("var_red_1", {"alpha": 2.0, "alpha_prime": 2.0}, 1 / 30),
        ("var_red_2", {}, 4 / 6),
        ("bin_entropy", {}, 1 / 2),
    ],
)
def test_the_value_at_uniform_scores_is_its_expectation_times_their_number(name, more, mean):
    """Weights are +-2, so that w^2 = 4 in var_red_2; the standard error is below 0.001 each."""
    scores = {"a": torch.rand(COUNT, generator=torch.Generator().manual_seed(0))}
    weights = {"a": torch.full((COUNT,), -2.0)}
    rule, _ = rule_of(scores, name, weights, **more)
    assert rule.penalty() == pytest.approx(0.5 * COUNT * mean, rel=0.01)


def test_values_by_hand():
    scores = {"a": torch.tensor([0.0, 0.5, 1.0]), "b": torch.tensor([[0.25]])}
    weights = {"a": torch.tensor([9.0, 2.0, 9.0]), "b": torch.tensor([[-4.0]])}
    wanted = {
        "L2": 1.3125,
        "L1": 1.75,
        "L1_L2": 3.0625,
        "var_red_1": 0.4375,
        "var_red_2": 4 * 0.25 + 16 * 0.1875,
        "bin_entropy": 0.693147 + 0.562335,
    }
    for name, value in wanted.items():
        assert rule_of(scores, name, weights)[0].penalty() == pytest.approx(value / 2, abs=1e-6)
    assert rule_of(scores, None, weights, weight=0.0)[0].penalty() == 0.0


def test_scores_of_frozen_weights_are_regularised_too():
    rule, masks = rule_of({"a": torch.tensor([0.5, 1.0])}, "L2")
    masks["a"].freeze(torch.tensor([False, True]))
    assert rule.penalty() == pytest.approx(0.5 * 1.25)


@pytest.mark.parametrize("name", NAMES)
def test_weights_that_do_not_count_are_regularised_except_by_var_red_2(name):
    rule, masks = rule_of({"a": torch.tensor([0.3])}, name, counted=False)
    if name == "var_red_2":
        rule.counted = {"b": GemMask(torch.ones(1), torch.tensor([0.5]))}
        rule.weights = {**rule.weights, "b": torch.ones(1)}
        assert rule.penalty() == pytest.approx(0.5 * 0.25)
        return
    assert rule.penalty() > 0
    masks["a"].latent.grad = torch.zeros(1)
    rule.prepare()
    assert bool(masks["a"].latent.grad.any()) is (name != "L2"), "that of L2 is weight decay"


# --- slopes


@pytest.mark.parametrize("exponents", [(1.0, 1.0), (2.0, 1.5), (3.0, 1.0)])
@pytest.mark.parametrize("name", NAMES)
def test_slopes_are_those_of_autograd_and_of_finite_differences(name, exponents):
    source = torch.Generator().manual_seed(3)
    p = (0.02 + 0.96 * torch.rand(50, generator=source, dtype=torch.float64)).requires_grad_()
    w = torch.randn(50, generator=source, dtype=torch.float64)
    penalty = PENALTIES[name]
    penalty.value(p, w, exponents).sum().backward()
    found = penalty.slope(p.detach(), w, exponents)
    torch.testing.assert_close(found, p.grad, rtol=1e-9, atol=1e-12)
    step = 1e-6
    ends = [penalty.value(p.detach() + s * step, w, exponents) for s in (1.0, -1.0)]
    torch.testing.assert_close(found, (ends[0] - ends[1]) / (2 * step), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("exponents", [(1.0, 1.0), (2.0, 1.5)])
def test_values_and_slopes_are_finite_at_both_ends(name, exponents):
    """Projection puts many scores to exactly 0 and 1."""
    p, w = torch.tensor([0.0, 1.0]), torch.tensor([2.0, 3.0])
    assert torch.isfinite(PENALTIES[name].value(p, w, exponents)).all()
    assert torch.isfinite(PENALTIES[name].slope(p, w, exponents)).all()
    if name == "bin_entropy":
        assert PENALTIES[name].slope(p, w, exponents).tolist() == [0.0, 0.0]


# --- as it acts on a step


def literal_sum(given, masks, weights):
    """Return the penalty for autograd; where a score is 0 or 1, the entropy has no slope."""
    value, total = PENALTIES[given.regularization].value, 0.0
    exponents = (given.alpha, given.alpha_prime)
    for key, mask in masks.items():
        p, inside = mask.latent, torch.ones_like(mask.latent, dtype=torch.bool)
        if given.regularization == "bin_entropy":
            inside = (p > 0) & (p < 1)
        total = total + value(p[inside], weights[key][inside], exponents).sum()
    return total


def stepped(name, optimizer, literal, steps=6, weight=0.03, more=None):
    """Return the scores after some projected steps, with the penalty in the loss or not."""
    source = torch.Generator().manual_seed(5)
    shapes = {"a": (7, 3), "b": (11,)}
    scores = {k: torch.rand(s, generator=source) for k, s in shapes.items()}
    weights = {k: torch.randn(s, generator=source) for k, s in shapes.items()}
    targets = {k: torch.rand(s, generator=source) for k, s in shapes.items()}
    rule, masks = rule_of(scores, name, weights, weight=weight, **(more or {}))
    recipe = {"optimizer": optimizer, "lr": 0.05, "momentum": 0.9 if optimizer == "sgd" else 0.0}
    given = HypercubeOptions.model_validate(
        {"regularization": name, "lambda": weight, "search": recipe, **(more or {})}
    )
    learned = build_optimizer(
        given.search if literal else given.recipe(), [mask.latent for mask in masks.values()]
    )
    for number in range(steps):
        rule.before_step(0, number)
        learned.zero_grad()
        loss = sum((masks[k].latent - targets[k]).square().sum() for k in shapes)
        if literal:
            loss = loss + weight * literal_sum(given, masks, weights)
        loss.backward()
        if not literal:
            rule.prepare()
        learned.step()
    return torch.cat([mask.latent.detach().flatten() for mask in masks.values()])


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("name", NAMES)
def test_a_step_is_that_of_the_loss_with_the_penalty_in_it(name, optimizer):
    """L2 comes as weight decay, the others as an addition to the gradient; both are exact."""
    found = stepped(name, optimizer, literal=False)
    wanted = stepped(name, optimizer, literal=True)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)
    without = stepped(name, optimizer, literal=False, weight=0.0)
    assert (found - without).abs().max() > 1e-3


def test_exponents_reach_the_step():
    more = {"alpha": 2.0, "alpha_prime": 1.5}
    found = stepped("var_red_1", "sgd", literal=False, more=more)
    torch.testing.assert_close(found, stepped("var_red_1", "sgd", literal=True, more=more))
    assert not torch.allclose(found, stepped("var_red_1", "sgd", literal=False))


def test_l2_lets_a_score_without_task_decay_by_the_paper_s_factor():
    """lr 0.1, momentum 0.9, lambda 1e-4: 0.9998 a step, 0.925 an epoch of 391; half in 3,466."""
    recipe = HypercubeOptions.model_validate({"lambda": 1e-4}).recipe()
    assert recipe.weight_decay == pytest.approx(2e-4)
    score = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
    optimizer = build_optimizer(recipe, [score])
    values = [1.0]
    for _ in range(4000):
        score.grad = torch.zeros_like(score)
        optimizer.step()
        values.append(float(score.detach()))
    assert values[2001] / values[2000] == pytest.approx(0.9998, abs=1e-6)
    assert values[2391] / values[2000] == pytest.approx(0.925, abs=5e-4)
    half = next(step for step, value in enumerate(values) if value <= 0.5)
    assert half == pytest.approx(3466, abs=15)
