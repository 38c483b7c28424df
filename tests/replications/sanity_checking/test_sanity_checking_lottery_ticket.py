"""The paper's one-shot pruning of a trained network ("LT")."""

import pytest
import torch
from torch import nn

from common.errors import UserError
from common.finders import FindInputs, Trained, find_ticket
from common.models import build_model, prunable_parameters
from common.randomness import generator
from replications.sanity_checking.methods import METHODS

LT = METHODS.finders["lt"]


def prune(model, final, sparsity):
    options = LT.options.model_validate({"sparsity": sparsity, "pretrain": {"epochs": 2}})
    (stage,) = LT.stages(options)
    assert stage.training.keep_at == ()
    return stage.find(FindInputs(model, None, options, generator, Trained(final)))


class Tiny(nn.Module):
    def __init__(self, convolution, classifier):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 1, bias=False)
        self.head = nn.Linear(2, 1, bias=False)
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor(convolution).view(8, 1, 1, 1))
            self.head.weight.copy_(torch.tensor([classifier]))


def test_the_rule_by_hand():
    # N = 10, half of it: the threshold is the weight of rank 5 among the convolutions', 0.6.
    final = Tiny([0.1, -0.2, 0.3, -0.4, 0.5, -0.6, 0.7, -0.8], [0.01, 0.02]).state_dict()
    initial = Tiny([1.0] * 8, [5.0, 6.0])
    ticket = prune(initial, final, 0.5)
    assert ticket.masks["conv.weight"].flatten().tolist() == [False] * 6 + [True, True]
    assert ticket.masks["head.weight"].all()
    assert sum(ticket.layer_kept().values()) == 4
    assert torch.equal(ticket.weights["conv.weight"], torch.ones(8, 1, 1, 1))
    assert ticket.weights["head.weight"].tolist() == [[5.0, 6.0]]


@pytest.mark.parametrize(("sparsity", "kept"), [(0.9, 493), (0.5, 2469), (0.95, 246), (0.0, 4939)])
def test_one_weight_fewer_than_asked_survives_and_the_classifier_is_dense(sparsity, kept):
    def build(seed):
        return build_model("resnet8", num_classes=4, generator=generator(seed, "w"), width=4)

    final = build(1).state_dict()
    model = build(0)
    initial = {name: value.clone() for name, value in model.state_dict().items()}
    ticket = prune(model, final, sparsity)
    assert sum(ticket.layer_kept().values()) == kept  # of 4,940: N - floor(N p) - 1
    assert list(ticket.masks) == list(prunable_parameters(model))
    assert ticket.masks["classifier.weight"].all()
    convolutions = [name for name in ticket.masks if name != "classifier.weight"]
    sizes = torch.cat([final[name].abs().flatten() for name in convolutions])
    mask = torch.cat([ticket.masks[name].flatten() for name in convolutions])
    assert sizes[mask].min() > sizes[~mask].max()
    assert all(torch.equal(ticket.weights[name], value) for name, value in initial.items())


def test_a_sparsity_that_the_convolutions_cannot_reach_leaves_the_classifier():
    final = Tiny([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], [1.0, 1.0]).state_dict()
    ticket = prune(Tiny([1.0] * 8, [1.0, 1.0]), final, 0.9)
    assert ticket.layer_kept() == {"conv.weight": 0, "head.weight": 2}


def test_lt_needs_a_run():
    with pytest.raises(UserError, match=r"find\.name 'lt': needs a training first"):
        find_ticket(
            "lt",
            Tiny([1.0] * 8, [1.0, 1.0]),
            sparsity=0.5,
            pretrain={"epochs": 1},
            finders=METHODS.finders,
        )


def test_the_paper_adds_one_finder_to_the_core_s():
    assert set(METHODS.finders) >= {"snip", "grasp", "random_ticket", "magnitude", "hybrid", "lt"}
    assert set(METHODS.transforms) >= {"layerwise_rearrange", "layerwise_weights_shuffling"}
