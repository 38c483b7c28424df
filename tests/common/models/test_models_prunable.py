"""Which parameters count as prunable, on models of the package and on a user's own."""

import pytest
from torch import nn
from torch.nn.utils import parametrize

from common.errors import UserError
from common.models import build_model, prunable_parameters, shortcut_weights


class OwnModel(nn.Module):
    """One layer of every kind that matters; two layers share one weight."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 4)
        self.conv = nn.Conv1d(2, 3, 3)
        self.volume = nn.Conv3d(1, 2, 3)
        self.norm = nn.BatchNorm1d(3)
        self.weighting = nn.Module()
        self.weighting.offset = nn.Parameter(nn.init.zeros_(self.head.weight.new_empty(2)))
        self.tied = nn.Linear(4, 4)
        self.tied.weight = self.head.weight


def test_scopes_of_a_users_model():
    model = OwnModel()
    assert list(prunable_parameters(model)) == ["head.weight", "conv.weight", "volume.weight"]
    assert list(prunable_parameters(model, "conv")) == ["conv.weight", "volume.weight"]
    assert list(prunable_parameters(model, "all_weights")) == [
        "head.weight",
        "conv.weight",
        "volume.weight",
        "norm.weight",
    ]


def test_the_parameters_themselves_are_returned():
    model = OwnModel()
    assert prunable_parameters(model)["conv.weight"] is model.conv.weight


def test_a_model_that_is_one_layer():
    assert list(prunable_parameters(nn.Linear(2, 3))) == ["weight"]


def test_names_are_those_of_the_state_dict():
    model = build_model("resnet8", num_classes=10)
    names = list(prunable_parameters(model))
    assert names[:3] == ["conv1.weight", "layer1.0.conv1.weight", "layer1.0.conv2.weight"]
    assert names[5] == "layer2.0.shortcut.conv.weight"
    assert set(names) <= set(model.state_dict())


def test_exclude_leaves_names_out_and_checks_them():
    model = build_model("resnet8", num_classes=10)
    left = prunable_parameters(model, exclude=["conv1.weight", "classifier.weight"])
    assert len(left) == 8
    assert "conv1.weight" not in left
    with pytest.raises(UserError, match=r"did you mean 'classifier\.weight'"):
        prunable_parameters(model, exclude=["clasifier.weight"])


def test_unknown_scope():
    with pytest.raises(UserError, match=r"scope: unknown name 'convs'; did you mean 'conv'"):
        prunable_parameters(OwnModel(), "convs")


def test_shortcut_weights_of_identity_and_padding_shortcuts_are_none():
    assert shortcut_weights(build_model("resnet8", num_classes=10, shortcut="A")) == []
    assert shortcut_weights(build_model("conv2", num_classes=10, width_mult=0.1)) == []


def test_a_computed_weight_is_refused_rather_than_left_out():
    layer = nn.Linear(2, 2)
    parametrize.register_parametrization(layer, "weight", nn.Identity())
    with pytest.raises(ValueError, match="parametrization"):
        prunable_parameters(nn.Sequential(layer))
