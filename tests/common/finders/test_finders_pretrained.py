"""Pruning a trained network: which weights count, how many stay, and where the ticket starts."""

import pytest
import torch
from torch import nn

from common.errors import UserError
from common.finders import FINDERS, FindInputs, Trained, layer_budget
from common.models import build_model, prunable_parameters
from common.randomness import generator
from common.tickets import kept_count
from common.training import Moment


def state(seed):
    model = build_model("resnet8", num_classes=4, generator=generator(seed, "weights"), width=4)
    model(torch.randn(6, 3, 8, 8, generator=generator(seed, "images")))
    return {name: value.clone() for name, value in model.state_dict().items()}


INITIAL, AT_1, AT_2, FINAL = state(0), state(1), state(2), state(3)


def find(name, *, trained=True, **options):
    """Run the one stage of a finder on states that stand for a finished training."""
    finder = FINDERS[name]
    given = {"name": name, "sparsity": 0.8, **options}
    parsed = finder.options.model_validate(given)
    (stage,) = finder.stages(parsed)
    model = build_model("resnet8", num_classes=4, width=4)
    model.load_state_dict(INITIAL)
    kept = {m: {1: AT_1, 2: AT_2}[m.number] for m in (stage.training or NO_NEED).keep_at}
    inputs = FindInputs(
        model=model,
        data=None,
        options=parsed,
        generator=lambda purpose, *indices: generator(0, purpose, *indices),
        trained=Trained(FINAL, kept) if trained else None,
    )
    return stage.training, stage.find(inputs)


class NO_NEED:  # noqa: N801
    """Stands for a stage without training."""

    keep_at = ()


PRETRAIN = {"epochs": 3}


def equal(a, b):
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a)


def all_magnitudes(weights, masks):
    kept = torch.cat([weights[name][mask].abs() for name, mask in masks.items()])
    dropped = torch.cat([weights[name][~mask].abs() for name, mask in masks.items()])
    return kept, dropped


STARTS = [
    ({"rewinding": "learning_rate"}, FINAL),
    ({"rewinding": "weights", "rewind_epoch": 1}, AT_1),
    ({"rewinding": "weights", "rewind_epoch": 2}, AT_2),
    ({"rewinding": "init"}, INITIAL),
]


@pytest.mark.parametrize("name", ["magnitude", "hybrid"])
@pytest.mark.parametrize(("options", "start"), STARTS, ids=["lr", "weights-1", "weights-2", "init"])
def test_a_ticket_starts_where_its_rewinding_says_buffers_included(name, options, start):
    _, ticket = find(name, pretrain=PRETRAIN, **options)
    assert equal(ticket.weights, start)
    assert not torch.equal(start["bn1.running_mean"], torch.zeros(4))


@pytest.mark.parametrize(("options", "_"), STARTS, ids=["lr", "weights-1", "weights-2", "init"])
def test_the_mask_comes_from_the_final_weights_whatever_the_rewinding(options, _):
    _, ticket = find("magnitude", pretrain=PRETRAIN, **options)
    kept, dropped = all_magnitudes(FINAL, ticket.masks)
    assert kept.min() >= dropped.max()
    assert len(kept) == kept_count(len(kept) + len(dropped), 0.8)
    start_kept, start_dropped = all_magnitudes(INITIAL, ticket.masks)
    assert start_kept.min() < start_dropped.max()


def test_without_pretraining_magnitude_looks_at_the_initial_weights():
    need, ticket = find("magnitude", trained=False)
    assert need is None
    kept, dropped = all_magnitudes(INITIAL, ticket.masks)
    assert kept.min() >= dropped.max()
    assert equal(ticket.weights, INITIAL)


@pytest.mark.parametrize(
    "options",
    [{}, {"allocation": "rep", "length": 9}, {"family": "vgg"}, {"classifier_density": 0.6}],
)
def test_hybrid_tickets_keep_the_largest_trained_weights_of_every_layer(options):
    _, ticket = find("hybrid", pretrain=PRETRAIN, **options)
    model = build_model("resnet8", num_classes=4, width=4)
    assert ticket.layer_kept() == layer_budget("smart_ratio", model, sparsity=0.8, **options)
    for name, mask in ticket.masks.items():
        sizes = FINAL[name].abs()
        largest = sizes.flatten().sort(descending=True).values[: int(mask.sum())]
        assert torch.equal(sizes[mask].sort(descending=True).values, largest)
    assert equal(ticket.weights, FINAL)  # learning-rate rewinding is the default


def test_hybrid_keeps_the_largest_30_percent_of_the_classifier():
    _, ticket = find("hybrid", pretrain=PRETRAIN)
    assert ticket.layer_kept()["classifier.weight"] == 19  # trunc(0.3 * 64)
    expected = FINAL["classifier.weight"].abs().flatten().topk(19).indices.sort().values
    found = ticket.masks["classifier.weight"].flatten().nonzero().flatten()
    assert torch.equal(found, expected)


def test_global_magnitude_can_empty_a_layer_that_hybrid_keeps():
    small = dict(FINAL)
    small["layer3.0.conv2.weight"] = small["layer3.0.conv2.weight"] * 1e-4
    (stage,) = FINDERS["magnitude"].stages(options := options_of("magnitude"))
    assert "layer3.0.conv2.weight" in run(stage, options, small).collapsed_layers()
    (stage,) = FINDERS["hybrid"].stages(options := options_of("hybrid"))
    assert run(stage, options, small).collapsed_layers() == []


def options_of(name):
    given = {"name": name, "sparsity": 0.8, "pretrain": PRETRAIN, "rewinding": "learning_rate"}
    return FINDERS[name].options.model_validate(given)


def run(stage, options, final):
    model = build_model("resnet8", num_classes=4, width=4)
    return stage.find(FindInputs(model, None, options, generator, Trained(final)))


@pytest.mark.parametrize("name", ["magnitude", "hybrid"])
def test_only_weight_rewinding_asks_for_a_copy(name):
    need, _ = find(name, pretrain=PRETRAIN, rewinding="weights", rewind_epoch=2)
    assert need.keep_at == (Moment("epoch", 2),)
    assert need.recipe.epochs == 3
    need, _ = find(name, pretrain=PRETRAIN, rewinding="learning_rate")
    assert need.keep_at == ()


@pytest.mark.parametrize("name", ["magnitude", "hybrid"])
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"rewinding": "weights"}, "rewind_epoch is missing"),
        ({"rewinding": "weights", "rewind_epoch": 3}, "must be below pretrain.epochs"),
        ({"rewinding": "weights", "rewind_epoch": -1}, "greater than or equal to 0"),
    ],
)
def test_rewinding_that_cannot_be_is_refused(name, options, reason):
    with pytest.raises(ValueError, match=reason):
        find(name, pretrain=PRETRAIN, **options)


@pytest.mark.parametrize("name", ["magnitude", "hybrid"])
def test_a_stage_without_its_training_is_refused(name):
    with pytest.raises(UserError, match=f"find.name '{name}': needs a training first"):
        find(name, trained=False, pretrain=PRETRAIN, rewinding="learning_rate")


def test_magnitude_counts_convolutions_and_linear_layers_together():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 1)
            self.norm = nn.BatchNorm2d(2)
            self.head = nn.Linear(2, 2)

    model = Net()
    with torch.no_grad():
        model.conv.weight.copy_(torch.tensor([0.1, -0.9]).view(2, 1, 1, 1))
        model.head.weight.copy_(torch.tensor([[0.5, -0.2], [0.3, 0.05]]))
        model.conv.bias.fill_(100.0)
        model.norm.weight.fill_(100.0)
    assert list(prunable_parameters(model)) == ["conv.weight", "head.weight"]
    options = FINDERS["magnitude"].options.model_validate({"sparsity": 0.5})
    (stage,) = FINDERS["magnitude"].stages(options)
    ticket = stage.find(FindInputs(model, None, options, generator))
    assert ticket.masks["conv.weight"].flatten().tolist() == [False, True]
    assert ticket.masks["head.weight"].tolist() == [[True, False], [True, False]]
