"""Every finder that needs no training: exact counts, seeds, and what it does to its inputs."""

import copy
import warnings

import pytest
import torch
from torch import nn

from common.data import Batches
from common.errors import UserError
from common.finders import FINDERS, ScoringData, find_ticket, layer_budget, score, scoring_data
from common.models import build_model, prunable_parameters
from common.randomness import generator
from common.tickets import Ticket, keep_top, kept_count
from common.tickets.ticket import LayerCollapseWarning

ONE_CALL = ("random", "magnitude", "snip", "grasp", "synflow")
QUICK = {"synflow": {"rounds": 7}, "snip": {"samples_per_class": 5}, "grasp": {}}


@pytest.fixture
def find(resnet, dataset):
    """Find a ticket for the small residual network."""

    def find(name, sparsity=0.7, model=resnet, **options):
        given = {**QUICK.get(name, {}), **options}
        return find_ticket(name, model, dataset, sparsity=sparsity, **given)

    return find


def total(model):
    return sum(weight.numel() for weight in prunable_parameters(model).values())


def same(a, b):
    return all(torch.equal(a.masks[name], b.masks[name]) for name in a.masks)


def overlap(a, b):
    kept = sum(a.layer_kept().values())
    return sum(int((a.masks[name] & b.masks[name]).sum()) for name in a.masks) / kept


@pytest.mark.parametrize("sparsity", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("name", ONE_CALL)
def test_the_sparsity_is_exact(find, resnet, name, sparsity):
    ticket = find(name, sparsity)
    assert sum(ticket.layer_kept().values()) == kept_count(total(resnet), sparsity)
    assert list(ticket.masks) == list(prunable_parameters(resnet))


@pytest.mark.parametrize("name", ONE_CALL)
def test_at_sparsity_one_nothing_is_left_and_a_warning_says_so(find, name):
    with pytest.warns(LayerCollapseWarning, match=r"keeps no weight in conv1\.weight, "):
        ticket = find(name, 1.0)
    assert ticket.sparsity() == 1.0


@pytest.mark.parametrize("budget", ["uniform", "erk"])
def test_random_masks_follow_their_layer_budget(find, resnet, budget):
    ticket = find("random", 0.8, budget=budget)
    assert ticket.layer_kept() == layer_budget(budget, resnet, sparsity=0.8)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"allocation": "rep", "length": 9},
        {"profile": "uniform"},
        {"family": "vgg", "profile": "linear"},
        {"classifier_density": 0.5},
    ],
)
def test_random_tickets_follow_the_smart_ratio(find, resnet, options):
    ticket = find("random_ticket", 0.8, **options)
    assert ticket.layer_kept() == layer_budget("smart_ratio", resnet, sparsity=0.8, **options)


def test_random_tickets_can_leave_the_classifier_dense(find, resnet):
    pruned, dense = find("random_ticket"), find("random_ticket", prune_classifier=False)
    assert dense.layer_kept().pop("classifier.weight") == 64
    assert pruned.layer_kept()["classifier.weight"] == 19  # trunc(0.3 * 64)
    for name in set(pruned.masks) - {"classifier.weight"}:
        assert dense.layer_kept()[name] == pruned.layer_kept()[name]


def test_a_random_global_mask_keeps_about_the_density_in_every_layer(find):
    for name, density in find("random", 0.5).layer_densities().items():
        assert abs(density - 0.5) < 0.2, name


def test_grasp_s_original_count_keeps_one_weight_more(find, resnet):
    size = total(resnet)
    assert size == 4940
    ticket = find("grasp", 0.99, count="original")
    assert sum(ticket.layer_kept().values()) == size - 4890 + 1  # floor(4940 * 0.99) = 4890
    assert sum(find("grasp", 0.99).layer_kept().values()) == 49  # floor(49.4)
    assert sum(find("grasp", 0.0, count="original").layer_kept().values()) == size


@pytest.mark.parametrize("name", [*ONE_CALL, "random_ticket"])
def test_the_same_seed_finds_the_same_ticket_whatever_the_global_random_state(find, name):
    torch.manual_seed(1)
    first = find(name, seed=3)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert same(first, find(name, seed=3))
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("random", {}),
        ("random", {"budget": "erk"}),
        ("random_ticket", {}),
        ("snip", {}),
        ("snip", {"sampling": "minibatch", "batch_size": 20}),
        ("snip", {"score_weights": "xavier_redraw"}),
        ("grasp", {}),
    ],
)
def test_another_seed_finds_another_ticket(find, name, options):
    assert not same(find(name, seed=0, **options), find(name, seed=1, **options))


@pytest.mark.parametrize("name", ["magnitude", "synflow"])
def test_finders_without_random_numbers_do_not_depend_on_the_seed(find, name):
    assert same(find(name, seed=0), find(name, seed=1))


@pytest.mark.parametrize("name", [*ONE_CALL, "random_ticket", "dense"])
def test_the_start_weights_are_the_model_s_own_and_the_model_is_left_alone(find, resnet, name):
    resnet(torch.randn(4, 3, 8, 8))  # moves the batch norm statistics off their defaults
    before = copy.deepcopy(resnet.state_dict())
    ticket = find(name, None if name == "dense" else 0.7)
    after = resnet.state_dict()
    assert list(ticket.weights) == list(before)
    for key, value in before.items():
        assert torch.equal(after[key], value), key
        assert torch.equal(ticket.weights[key], value), key
    with torch.no_grad():
        resnet.conv1.weight.zero_()
    assert bool((ticket.weights["conv1.weight"] != 0).any())  # a copy, not a view


def test_a_dense_ticket_has_no_masks(find):
    ticket = find("dense", None)
    assert ticket.masks == {}
    assert ticket.sparsity() == 0.0


def test_snip_keeps_the_highest_scores_of_balanced_images(resnet, dataset):
    ticket = find_ticket("snip", resnet, dataset, sparsity=0.8, samples_per_class=24, seed=5)
    # 24 images of every class are all images, so that their choice does not matter.
    order = dataset.train.labels.argsort(stable=True)
    batch = scoring_data(dataset).batches(dataset.train).at(order)
    expected = keep_top(score("snip", resnet, [batch]), kept_count(total(resnet), 0.8))
    agreement = sum(int((ticket.masks[key] == expected[key]).sum()) for key in expected)
    assert agreement >= total(resnet) - 4  # the order of the images changes the last bits


def test_snip_on_redrawn_weights_keeps_other_weights_but_the_same_start(find, resnet):
    own, redrawn = find("snip"), find("snip", score_weights="xavier_redraw")
    assert not same(own, redrawn)
    assert all(torch.equal(own.weights[key], value) for key, value in redrawn.weights.items())
    assert all(torch.equal(value, own.weights[key]) for key, value in resnet.state_dict().items())
    # The scores of a redrawn copy say nothing about the sizes of the weights that are trained.
    weights = prunable_parameters(resnet)
    name = "layer3.0.conv2.weight"
    size = weights[name].detach().abs()
    kept_own, kept_redrawn = (size[t.masks[name]].mean() for t in (own, redrawn))
    assert kept_own > 1.15 * size.mean()
    assert abs(kept_redrawn / size.mean() - 1) < 0.15


def test_grasp_scores_a_copy_with_a_redrawn_classifier_and_the_model_s_own_convolutions(
    find, resnet
):
    other_head, other_conv = copy.deepcopy(resnet), copy.deepcopy(resnet)
    with torch.no_grad():
        other_head.classifier.weight.mul_(-3.0)
        other_conv.layer3[0].conv2.weight.mul_(-3.0)
    redrawn = find("grasp", 0.5)
    assert same(redrawn, find("grasp", 0.5, model=other_head))
    assert not same(redrawn, find("grasp", 0.5, model=other_conv))
    own = find("grasp", 0.5, reinit_linear=False)
    assert not same(own, redrawn)
    assert not same(own, find("grasp", 0.5, model=other_head, reinit_linear=False))
    assert torch.equal(redrawn.weights["classifier.weight"], resnet.classifier.weight)


class Recorder(nn.Module):
    """Notes the brightness of the images it sees, from which their classes follow."""

    def __init__(self, seen):
        super().__init__()
        self.layer = nn.Linear(3 * 8 * 8, 4)
        self.seen = [seen]

    def __deepcopy__(self, memo):
        other = Recorder(self.seen[0])
        other.load_state_dict(self.state_dict())
        return other

    def forward(self, x):
        brightness = x.mean(dim=(1, 2, 3)) * 0.25 + 0.5
        self.seen[0].append(((brightness * 255 - 7.5 - 21) / 60).round().long().tolist())
        return self.layer(x.flatten(1))


def classes_seen(name, dataset, **options):
    seen = []
    find_ticket(name, Recorder(seen), dataset, sparsity=0.5, **options)
    return seen


def test_grasp_sees_each_class_sorted_batch_in_two_halves_of_the_classes(dataset):
    first, second = [0, 0, 0, 1, 1, 1], [2, 2, 2, 3, 3, 3]
    once = classes_seen("grasp", dataset, samples_per_class=3)
    assert once == [first, second, first, second]  # gradients, then Hessian products
    twice = classes_seen("grasp", dataset, samples_per_class=3, score_batches=2)
    assert twice == [first, second] * 4


def test_snip_sees_balanced_batches_or_one_minibatch(dataset):
    assert classes_seen("snip", dataset, samples_per_class=2) == [[0, 0, 1, 1, 2, 2, 3, 3]]
    assert len(classes_seen("snip", dataset, samples_per_class=2, score_batches=3)) == 3
    (minibatch,) = classes_seen("snip", dataset, sampling="minibatch", batch_size=40)
    assert len(minibatch) == 40
    assert minibatch != sorted(minibatch)


def test_several_score_batches_hold_different_images(dataset, resnet):
    one = find_ticket("snip", resnet, dataset, sparsity=0.7, samples_per_class=2)
    three = find_ticket("snip", resnet, dataset, sparsity=0.7, samples_per_class=2, score_batches=3)
    assert not same(one, three)


CORRUPTIONS = [
    {"random_labels": True},
    {"random_pixels": "values"},
    {"random_pixels": "pixels"},
    {"random_pixels": "rows_cols"},
    {"random_pixels": "channel_rows"},
    {"random_labels": True, "random_pixels": "values"},
]


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=str)
@pytest.mark.parametrize("name", ["snip", "grasp"])
def test_corrupted_data_change_the_scores_but_not_the_data_set(find, dataset, name, corruption):
    images, labels = dataset.train.images.clone(), dataset.train.labels.clone()
    clean, corrupted = find(name), find(name, corruption=corruption)
    assert overlap(clean, corrupted) < 0.995
    assert same(corrupted, find(name, corruption=corruption))
    assert torch.equal(images, dataset.train.images)
    assert torch.equal(labels, dataset.train.labels)


def test_random_labels_are_balanced_by_the_random_label(dataset):
    (seen,) = classes_seen("snip", dataset, samples_per_class=5, corruption={"random_labels": True})
    assert len(seen) == 20
    assert seen != sorted(seen)  # the true classes are mixed


@pytest.mark.parametrize("name", ["random", "random_ticket", "magnitude", "dense"])
def test_finders_that_look_at_no_data_need_none(resnet, name):
    sparsity = None if name == "dense" else 0.5
    assert isinstance(find_ticket(name, resnet, sparsity=sparsity), Ticket)


@pytest.mark.parametrize("name", ["snip", "grasp", "synflow"])
def test_finders_that_look_at_data_say_so(resnet, name):
    with pytest.raises(UserError, match=f"find.name '{name}': needs data, but none was given"):
        find_ticket(name, resnet, sparsity=0.5)


def test_synflow_does_not_look_at_the_pixels(find, resnet, dataset):
    dark = dataset.with_splits(
        train=type(dataset.train)(torch.zeros_like(dataset.train.images), dataset.train.labels)
    )
    other = find_ticket("synflow", resnet, dark, sparsity=0.7, **QUICK["synflow"])
    assert same(find("synflow"), other)


def test_synflow_takes_the_image_shape_that_the_network_sees(dataset):
    flat = build_model("fc", num_classes=4, in_channels=3, hidden=[16], image_size=8)
    assert find_ticket("synflow", flat, dataset, sparsity=0.5, rounds=3).sparsity() == 0.5
    grey = type(dataset.train)(dataset.train.images[:, :1].contiguous(), dataset.train.labels)

    def three_channels(split):
        return Batches(split, 1, dataset.normalization(), channels=3)

    colour = build_model("resnet8", num_classes=4, width=4)
    data = ScoringData(grey, 4, three_channels)
    assert find_ticket("synflow", colour, data, sparsity=0.5, rounds=3).sparsity() == 0.5


def test_synflow_in_one_round_and_in_many_differ_and_many_empty_no_layer(dataset):
    model = build_model("vgg11", num_classes=4, generator=generator(0, "x"), width_mult=0.1)
    large = dataset.with_splits(
        train=type(dataset.train)(dataset.train.images.repeat(1, 1, 2, 2), dataset.train.labels)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", LayerCollapseWarning)
        many = find_ticket("synflow", model, large, sparsity=0.99, rounds=30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LayerCollapseWarning)
        one = find_ticket("synflow", model, large, sparsity=0.99, rounds=1)
    assert one.collapsed_layers()
    assert not same(one, many)
    size = total(model)
    assert sum(many.layer_kept().values()) == sum(one.layer_kept().values())
    assert sum(many.layer_kept().values()) == kept_count(size, 0.99)


def test_synflow_ranks_weights_whose_flow_leaves_single_precision(dataset):
    large = dataset.with_splits(
        train=type(dataset.train)(dataset.train.images.repeat(1, 1, 2, 2), dataset.train.labels)
    )
    tickets = []
    for scale in (1.0, 512.0):
        model = build_model("vgg16", num_classes=4, width_mult=0.05, batch_norm=False)
        with torch.no_grad():
            model.classifier.bias.zero_()
            for weight in prunable_parameters(model).values():
                weight.mul_(scale)  # fourteen layers: the flow grows by 2^126
        tickets.append(find_ticket("synflow", model, large, sparsity=0.8, rounds=3))
    assert same(*tickets)


@pytest.mark.parametrize("name", ["snip", "grasp", "synflow"])
def test_finders_work_in_double_precision_on_a_user_s_module(dataset, name):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.GELU(), nn.Flatten(), nn.Linear(180, 4)
        ).double()
    ticket = find_ticket(name, net, dataset, sparsity=0.75)
    assert list(ticket.masks) == ["0.weight", "4.weight"]
    assert sum(ticket.layer_kept().values()) == kept_count(135 + 720, 0.75)
    assert ticket.weights["0.weight"].dtype == torch.float64
    ticket.apply_to(net)
    assert int((net[0].weight != 0).sum()) == ticket.layer_kept()["0.weight"]


def test_meta_tells_how_a_ticket_was_found(find, tmp_path):
    ticket = find("snip", 0.7, seed=4, samples_per_class=3)
    assert ticket.meta["seed"] == 4
    assert ticket.meta["finder"] == {
        "name": "snip",
        "sparsity": 0.7,
        "samples_per_class": 3,
        "score_batches": 1,
        "data": {"random_labels": False, "random_pixels": None},
        "bn_mode": "train",
        "sampling": "balanced",
        "batch_size": 64,
        "score_weights": "model",
    }
    ticket.save(tmp_path / "t")
    assert Ticket.load(tmp_path / "t").meta == ticket.meta


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("snipe", {}, r"find\.name: unknown name 'snipe'; did you mean 'snip'\?"),
        ("snip", {"sample_per_class": 3}, "'sample_per_class'; did you mean 'samples_per_class'"),
        ("snip", {"samples_per_class": 25}, "25 images of every class asked for, class 0 has 24"),
        ("snip", {"samples_per_class": 0}, "samples_per_class: .* greater than 0, found 0"),
        ("snip", {"sampling": "minibatch", "batch_size": 97}, "97 is more than the 96 training"),
        ("snip", {"bn_mode": "test"}, "bn_mode: input should be 'train' or 'eval', found 'test'"),
        ("snip", {"corruption": {"random_lables": True}}, "did you mean 'random_labels'"),
        ("grasp", {"temperature": 0}, "temperature: .* greater than 0"),
        ("grasp", {"reinit_linear": "no"}, "reinit_linear: .* boolean, found 'no'"),
        ("random", {"budget": "ekr"}, "budget: input should be 'global', 'uniform' or 'erk'"),
        ("snip", {"sparsity": None}, "sparsity: key is missing"),
        ("snip", {"sparsity": 1.2}, "sparsity: .* less than or equal to 1, found 1.2"),
        ("dense", {"sparsity": 0.5}, "sparsity: .* found 0.5"),
        ("random_ticket", {"sparsity": 0.9999}, "leaves fewer weights than the classifier"),
    ],
)
def test_calls_that_cannot_work_are_refused(find, name, options, reason):
    with pytest.raises(UserError, match=reason):
        find(name, **{"sparsity": 0.5, **options})


@pytest.mark.parametrize("name", ["magnitude", "hybrid"])
def test_finders_that_train_first_need_a_run(find, name):
    options = {"pretrain": {"epochs": 1}, "rewinding": "learning_rate"}
    with pytest.raises(UserError, match="needs a training first, so it works in a run config"):
        find(name, **options)


def test_the_core_s_finders():
    assert set(FINDERS) == {
        "dense",
        "random",
        "random_ticket",
        "magnitude",
        "hybrid",
        "imp",
        "snip",
        "grasp",
        "synflow",
        "taylor",
        "gmp",
        "edge_popup",
        "ticket_file",
    }
