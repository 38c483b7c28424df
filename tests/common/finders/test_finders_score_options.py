"""Options of the one-shot finders: scope, steps, convolutions alone, a pass over all images."""

import pytest
import torch
from pydantic import ValidationError

from common.data import Augment, Batches
from common.errors import UserError
from common.finders import FINDERS, ScoringData, find_ticket, score, scoring_data
from common.finders.sampling import loader_pass
from common.finders.selection import select_masks
from common.models import prunable_parameters
from common.tickets import kept_count, removed_count

SCORED = ("snip", "grasp", "taylor", "magnitude", "synflow")
SAMPLED = ("snip", "grasp", "taylor")
QUICK = {"synflow": {"rounds": 5}, "taylor": {"source": "init"}}


@pytest.fixture
def find(resnet, dataset):
    """Find a ticket for the small residual network."""

    def find(name, sparsity=0.8, **options):
        given = {**QUICK.get(name, {}), **options}
        return find_ticket(name, resnet, dataset, sparsity=sparsity, **given)

    return find


def same(a, b):
    return list(a.masks) == list(b.masks) and all(
        torch.equal(a.masks[name], b.masks[name]) for name in a.masks
    )


def kept(ticket):
    return sum(ticket.layer_kept().values())


@pytest.mark.parametrize("name", SCORED)
def test_locally_every_layer_has_the_density(find, name):
    ticket = find(name, scope="local")
    for mask in ticket.masks.values():
        assert int(mask.sum()) == kept_count(mask.numel(), 0.8)
    assert not same(ticket, find(name))


@pytest.mark.parametrize("name", [*SCORED, "random"])
def test_the_classifier_can_be_left_out(find, resnet, name):
    ticket = find(name, prune_linear=False)
    convolutions = prunable_parameters(resnet, "conv")
    assert list(ticket.masks) == list(convolutions)
    assert kept(ticket) == kept_count(sum(w.numel() for w in convolutions.values()), 0.8)


@pytest.mark.parametrize("budget", ["uniform", "erk"])
def test_a_budget_of_convolutions_counts_them_alone(find, resnet, budget):
    ticket = find("random", prune_linear=False, budget=budget)
    convolutions = prunable_parameters(resnet, "conv")
    assert list(ticket.masks) == list(convolutions)
    assert kept(ticket) == kept_count(sum(w.numel() for w in convolutions.values()), 0.8)


@pytest.mark.parametrize("name", [*SCORED, "random"])
def test_counted_by_a_threshold_as_many_go_as_tost_says(find, resnet, name):
    size = sum(weight.numel() for weight in prunable_parameters(resnet).values())
    left = kept(find(name, 0.77, count="threshold"))
    assert left == size - removed_count(size, 0.77) == kept(find(name, 0.77)) + 1


def test_grasp_s_gradient_is_that_of_the_scored_weights_alone(smooth):
    network, batches = smooth
    alone = score("grasp", network, batches, layers="conv")
    together = score("grasp", network, batches)
    assert list(alone) == [name for name in together if name != "head.weight"]
    network.head.weight.requires_grad_(False)
    weights = prunable_parameters(network, "conv")
    network.train()
    losses = [
        torch.nn.functional.cross_entropy(network(images) / 200, labels)
        for images, labels in batches
    ]
    values = list(weights.values())
    summed = torch.autograd.grad(sum(losses), values, create_graph=True)
    inner = sum((g.detach() * g).sum() for g in summed)
    for (name, weight), product in zip(
        weights.items(), torch.autograd.grad(inner, values), strict=True
    ):
        torch.testing.assert_close(alone[name], weight.detach() * product)
    assert not torch.allclose(alone["body.0.weight"], together["body.0.weight"], rtol=1e-3)


@pytest.mark.parametrize("name", SAMPLED)
def test_steps_are_nested_and_meet_the_sparsity(find, resnet, name):
    options = {"count": "threshold", "sampling": "loader", "batch_size": 32}
    once, often = find(name, **options), find(name, iterations=4, **options)
    size = sum(weight.numel() for weight in prunable_parameters(resnet).values())
    assert kept(often) == size - removed_count(size, 0.8)
    assert not same(once, often)
    assert all(torch.equal(once.weights[key], often.weights[key]) for key in once.weights)


def test_two_steps_of_snip_by_hand(find, resnet, dataset):
    """Score, keep the square root of the density, score what is masked, keep the density."""
    everything = [scoring_data(dataset).batches(dataset.train).at(torch.arange(96))]
    options = {"sampling": "loader", "batch_size": 96, "bn_mode": "eval", "count": "threshold"}
    found = find("snip", 0.91, iterations=2, **options)
    first = select_masks(score("snip", resnet, everything, bn_mode="eval"), 0.7, count="threshold")
    with torch.no_grad():
        for name, weight in prunable_parameters(resnet).items():
            weight.mul_(first[name])
    scores = score("snip", resnet, everything, bn_mode="eval")
    second = select_masks(scores, 0.91, count="threshold")
    agree = sum(int((second[n] == m).sum()) for n, m in found.masks.items())
    assert agree == sum(mask.numel() for mask in second.values())


# --- which images are seen


@pytest.fixture
def seen(dataset):
    """Return scoring data whose batches are augmented, and the batches it made."""
    augment = Augment(crop_padding=2, crop_size=None, horizontal_flip=True)

    def batches(split):
        return Batches(split, 1, dataset.normalizations["default"], augment=augment)

    return ScoringData(dataset.train, dataset.num_classes, batches)


def test_a_pass_shows_every_image_once_as_it_is_stored(seen, dataset):
    whole = loader_pass(seen, 40, None, torch.Generator().manual_seed(5))
    assert [len(labels) for _, labels in whole] == [40, 40, 16]
    images = torch.cat([images for images, _ in whole])
    labels = torch.cat([labels for _, labels in whole])
    order = whole.order
    assert sorted(order.tolist()) == list(range(96)) and order.tolist() != list(range(96))
    stored = scoring_data(dataset).batches(dataset.train).at(order)
    assert torch.equal(images, stored[0]) and torch.equal(labels, stored[1])
    again = torch.cat([images for images, _ in whole])
    assert torch.equal(images, again), "GraSP goes through it twice"


def test_a_number_of_batches_is_the_beginning_of_the_pass(seen):
    whole = loader_pass(seen, 40, None, torch.Generator().manual_seed(5))
    part = loader_pass(seen, 40, 2, torch.Generator().manual_seed(5))
    assert len(part) == 2 and len(whole[1:]) == 2
    for one, other in zip(part, whole[:2], strict=True):
        assert torch.equal(one[0], other[0])
    with pytest.raises(IndexError):
        part[2]


def test_more_batches_than_there_are_is_one_clear_line(find):
    with pytest.raises(UserError, match=r"find\.score_batches: 4 is more than the 3 batches of 40"):
        find("snip", sampling="loader", batch_size=40, score_batches=4)


def test_gradients_of_a_pass_are_summed(find, resnet, dataset):
    """With statistics that do not depend on the batch, a pass of equal batches is one of all."""
    options = {"sampling": "loader", "bn_mode": "eval", "score_batches": None}
    one = find("snip", batch_size=96, **options)
    summed = find("snip", batch_size=16, **options)
    overlap = sum(int((one.masks[n] & summed.masks[n]).sum()) for n in one.masks)
    assert overlap >= kept(one) - 2, "up to rounding"
    fewer = find("snip", batch_size=16, **options | {"score_batches": 1})
    assert sum(int((one.masks[n] & fewer.masks[n]).sum()) for n in one.masks) < overlap


@pytest.mark.parametrize("options", [{}, {"sampling": "loader", "score_batches": None}])
def test_snip_and_taylor_find_the_same_mask_at_the_same_weights_and_images(find, options):
    assert same(find("snip", **options), find("taylor", **options))


def test_grasp_halves_balanced_batches_and_nothing_else(find):
    loader = find("grasp", sampling="loader", batch_size=40, score_batches=1)
    minibatch = find("grasp", sampling="minibatch", batch_size=40)
    assert same(loader, minibatch), "not augmented here, the same 40 images by the same generator"
    assert not same(loader, find("grasp"))


# --- what may be asked for


@pytest.mark.parametrize(
    ("name", "given", "reason"),
    [
        ("snip", {"score_batches": None}, "null means a whole pass, so it needs sampling 'loader'"),
        ("grasp", {"score_batches": None}, "so it needs sampling 'loader'"),
        ("snip", {"ties": "kept", "count": "threshold"}, "exclude each other"),
        ("snip", {"iterations": 0}, "greater than 0"),
        ("snip", {"scope": "layer"}, "'global' or 'local'"),
        ("random", {"budget": "erk", "count": "threshold"}, "count has no effect"),
    ],
)
def test_what_cannot_be_is_refused(name, given, reason):
    with pytest.raises(ValidationError, match=reason):
        FINDERS[name].options.model_validate({"sparsity": 0.5, **given})


LATER = {
    "random": {"prune_linear", "count"},
    "magnitude": {"scope", "prune_linear", "count"},
    "snip": {"scope", "prune_linear", "count", "iterations"},
    "grasp": {"scope", "prune_linear", "sampling", "batch_size", "iterations"},
    "synflow": {"scope", "prune_linear", "count"},
}


@pytest.mark.parametrize("name", LATER)
def test_options_of_recorded_runs_dump_as_they_did(name):
    options = FINDERS[name].options.model_validate({"sparsity": 0.5})
    assert set(type(options).model_fields) >= LATER[name]
    assert not LATER[name] & set(options.model_dump())
