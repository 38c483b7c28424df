"""From scores to masks: counts, ties, tensors on their own, and pruning in steps (ToST, 2.3, 9)."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from common.errors import UserError
from common.finders import find_ticket, score
from common.finders.selection import prune_in_steps, select_masks
from common.models import build_model
from common.tickets import keep_above, kept_count, removed_count

SPARSITIES = (0.9, 0.95, 0.98)
TOST_COUNTS = [
    (11_164_352, (1_116_436, 558_218, 223_288)),
    (11_210_432, (1_121_044, 560_522, 224_209)),
    (1_855_584, (185_559, 92_780, 37_112)),
    (1_867_104, (186_711, 93_356, 37_343)),
    (464_432, (46_444, 23_222, 9_289)),
    (14_715_584, (1_471_559, 735_780, 294_312)),
]


def total(masks):
    return sum(int(mask.sum()) for mask in masks.values())


def shuffled(size, seed=0):
    return torch.randperm(size, generator=torch.Generator().manual_seed(seed)).float()


@pytest.mark.parametrize(("size", "kept"), TOST_COUNTS)
def test_what_a_threshold_leaves_of_whole_networks(size, kept):
    """The spec takes trunc((1 - d) * N) in double precision, which is the same numbers."""
    for sparsity, wanted in zip(SPARSITIES, kept, strict=True):
        removed = removed_count(size, sparsity)
        assert size - removed == wanted
        assert removed == int((1 - {0.9: 0.1, 0.95: 0.05, 0.98: 0.02}[sparsity]) * size)


def test_a_threshold_mask_of_resnet32_has_that_many_weights_and_exact_one_fewer():
    scores = dict(enumerate(shuffled(464_432).split((432, 463_360, 640))))
    found = [total(select_masks(scores, s, count="threshold")) for s in SPARSITIES]
    assert found == [46_444, 23_222, 9_289]
    exact = [total(select_masks(scores, s)) for s in SPARSITIES]
    assert exact == [46_443, 23_221, 9_288]


def test_all_that_ties_with_the_threshold_goes():
    scores = {"a": torch.tensor([3.0, 1.0]), "b": torch.tensor([3.0, 1.0, 1.0])}
    masks = keep_above(scores, 2)
    assert masks["a"].tolist() == [True, False] and masks["b"].tolist() == [True, False, False]
    assert total(keep_above({"a": torch.zeros(7)}, 1)) == 0, "a disconnected network loses all"
    assert total(keep_above({"a": torch.zeros(7)}, 0)) == 7
    assert total(keep_above(scores, 5)) == 0


@given(
    st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=12), min_size=1, max_size=4),
    st.floats(0.0, 1.0),
    st.sampled_from(["global", "local"]),
)
def test_a_threshold_separates_and_removes_no_fewer_than_asked(values, sparsity, scope):
    scores = {f"t{i}": torch.tensor(v, dtype=torch.float32) for i, v in enumerate(values)}
    masks = select_masks(scores, sparsity, count="threshold", scope=scope)
    groups = [list(scores)] if scope == "global" else [[name] for name in scores]
    for names in groups:
        pool = torch.cat([scores[n] for n in names])
        kept = torch.cat([masks[n] for n in names])
        removed = removed_count(len(pool), sparsity)
        assert int((~kept).sum()) >= removed
        if removed and kept.any():
            assert pool[kept].min() > pool[~kept].max()
        if not removed:
            assert kept.all()
        if len(set(pool.tolist())) == len(pool):
            assert int((~kept).sum()) == removed


@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.floats(0.0, 1.0))
def test_locally_every_tensor_has_the_density(sizes, sparsity):
    scores = {f"t{i}": shuffled(size, i) for i, size in enumerate(sizes)}
    exact = select_masks(scores, sparsity, scope="local")
    threshold = select_masks(scores, sparsity, scope="local", count="threshold")
    for name, value in scores.items():
        assert int(exact[name].sum()) == kept_count(len(value), sparsity)
        assert int((~threshold[name]).sum()) == removed_count(len(value), sparsity)
        if exact[name].any() and not exact[name].all():
            assert value[exact[name]].min() > value[~exact[name]].max()


# --- in steps


class Fixed(nn.Module):
    """One linear layer of 10^5 weights."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1000, 100, bias=False)


@pytest.mark.parametrize("count", ["exact", "threshold"])
def test_the_density_falls_exponentially_and_removed_weights_stay_removed(count):
    model, seen = Fixed(), []
    fixed = 1 + shuffled(100_000).view(100, 1000)
    before = model.layer.weight.detach().clone()

    def score_of(masked):
        seen.append(masked.layer.weight.detach() != 0)
        return {"layer.weight": fixed * seen[-1]}

    masks = prune_in_steps(model, score_of, 0.95, 100, count=count)
    assert torch.equal(model.layer.weight, before), "the model is left as it is"
    states = [*seen, masks["layer.weight"]]
    densities = {1: 0.970487, 2: 0.941845, 10: 0.741134, 50: 0.223607, 99: 0.051521, 100: 0.05}
    for step, density in densities.items():
        assert float(states[step].double().mean()) == pytest.approx(density, abs=1.1e-5)
    assert all(not bool((b & ~a).any()) for a, b in itertools.pairwise(states))
    top = fixed.flatten().argsort(descending=True)[:5000]
    assert torch.equal(masks["layer.weight"].flatten().nonzero().flatten(), top.sort().values)


def test_signed_scores_bring_nothing_back():
    """Removed weights score 0, above most of the others; they are out of the contest all the same.

    Without that, the density would be missed: GraSP's scores have both signs.
    """
    model = Fixed()
    signed = shuffled(100_000).view(100, 1000) - 90_000.5
    for count in ("exact", "threshold"):
        masks = prune_in_steps(
            model,
            lambda masked: {"layer.weight": signed * (masked.layer.weight != 0)},
            *(0.5, 4),
            count=count,
        )
        assert total(masks) == 50_000
        assert torch.equal(masks["layer.weight"], signed > signed.median())


def test_a_network_that_falls_apart_ends_empty_under_a_threshold():
    zero = {"layer.weight": torch.zeros(100, 1000)}
    assert total(prune_in_steps(Fixed(), lambda _: zero, 0.5, 2, count="threshold")) == 0
    assert total(prune_in_steps(Fixed(), lambda _: zero, 0.5, 2)) == 50_000


def test_synflow_of_two_paths_keeps_the_strong_one():
    """The spec's y = v1 relu(w1 x) + v2 relu(w2 x), |w| = (1, 2), |v| = (3, .5)."""
    model = nn.Sequential(nn.Linear(1, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[-1.0], [2.0]]))
        model[2].weight.copy_(torch.tensor([[3.0, -0.5]]))
    scores = score("synflow", model, input_shape=(1,))
    assert scores["0.weight"].flatten().tolist() == [3.0, 1.0]
    assert scores["2.weight"].flatten().tolist() == [3.0, 1.0]
    masks = select_masks(scores, 0.5, count="threshold")
    assert [mask.flatten().tolist() for mask in masks.values()] == [[True, False]] * 2


def test_scores_of_a_softmax_of_two_weights():
    """The spec's z = (w1, w2), w = (1, 2), class 0: the same weight stays by every score."""
    model = nn.Linear(1, 2, bias=False, dtype=torch.float64)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0], [2.0]]))
    batch = [(torch.ones(1, 1, dtype=torch.float64), torch.tensor([0]))]
    wanted = {
        "snip": ({}, [0.731059, 1.462117]),
        "taylor": ({}, [0.731059, 1.462117]),
        "grasp": ({"temperature": 1.0}, [-0.287470, 0.574939]),
    }
    for name, (options, values) in wanted.items():
        found = score(name, model, batch, **options)
        assert found["weight"].flatten().tolist() == pytest.approx(values, abs=5.1e-7)
        kept = select_masks(found, 0.5, count="threshold")["weight"]
        assert kept.flatten().tolist() == [False, True]
    warm = score("grasp", model, batch)["weight"].flatten()  # at temperature 200
    assert warm.tolist() == pytest.approx([-3.132793e-8, 6.265586e-8], abs=5.1e-15)
    normalised = warm / (warm.sum().abs() + 1e-10)
    assert normalised.tolist() == pytest.approx([-0.996818, 1.993636], abs=5.1e-7)


def test_a_sparsity_out_of_range_is_refused():
    with pytest.raises(UserError, match=r"sparsity: must lie in \[0, 1\]"):
        prune_in_steps(Fixed(), lambda _: {}, 1.5, 1)


DENSITIES = {  # of layers by their fan-in: max(0, 1 - t * sqrt(fan_in))
    0.9: (0.017015, 1_116_436, ["layer4.0.conv2", "layer4.1.conv1", "layer4.1.conv2"]),
    0.98: (0.027706, 223_288, None),
}


@pytest.mark.filterwarnings("ignore::common.tickets.ticket.LayerCollapseWarning")
@pytest.mark.parametrize("sparsity", DENSITIES)
def test_the_largest_initial_weights_of_resnet18_lie_where_the_fan_in_is_small(sparsity):
    model = build_model("resnet18", num_classes=10, generator=torch.Generator().manual_seed(0))
    ticket = find_ticket("magnitude", model, sparsity=sparsity, count="threshold")
    threshold, left, empty = DENSITIES[sparsity]
    assert sum(ticket.layer_kept().values()) == left
    for name, density in ticket.layer_densities().items():
        weight = ticket.weights[name]
        wanted = max(0.0, 1 - threshold * weight[0].numel() ** 0.5)
        error = 4 * (0.25 / weight.numel()) ** 0.5
        assert density == pytest.approx(wanted, abs=max(error, 0.002)), name
    if empty is not None:
        assert ticket.collapsed_layers() == [f"{name}.weight" for name in empty]
