"""Initialising models that a user wrote: layers no scheme knows, and what is refused."""

import pytest
import torch
from torch import nn

from common.errors import UserError
from common.models import initialise


class WithEmbedding(nn.Module):
    """A user's model with a layer that no scheme describes."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(5, 4)
        self.linear = nn.Linear(4, 2)


def test_other_layers_draw_by_their_own_method_from_the_generator():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first, second, third = (WithEmbedding() for _ in range(3))
    torch.set_rng_state(before)
    for model, seed in ((first, 0), (second, 0), (third, 1)):
        initialise(model, "kaiming_normal", torch.Generator().manual_seed(seed))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(first.embedding.weight, second.embedding.weight)
    assert not torch.equal(first.embedding.weight, third.embedding.weight)


class WithBareParameter(nn.Module):
    """A user's model with a parameter that nothing can re-draw."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))


def test_a_parameter_that_nothing_can_draw_is_refused():
    model = nn.Sequential(WithBareParameter())
    with pytest.raises(UserError, match=r"layer '0' \(WithBareParameter\).*reset_parameters"):
        initialise(model, "grasp", torch.Generator())


def test_a_computed_weight_is_refused():
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(3, 3))
    with pytest.raises(ValueError, match="parametrized"):
        initialise(nn.Sequential(layer), "grasp", torch.Generator())
