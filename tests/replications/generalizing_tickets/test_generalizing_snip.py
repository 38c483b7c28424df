"""One-shot SNIP as the fork takes it: an example by hand, ties, and the densities of a VGG19."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from common.errors import UserError
from common.finders import find_ticket, score
from common.finders.initial import redraw_xavier
from common.models import build_model, prunable_parameters
from common.randomness import generator
from common.tickets import keep_top, keep_top_with_ties, kept_count

CONV_LINEAR = 20_024_000  # of VGG19 with ten classes


@pytest.fixture
def linear():
    """Return the scores of two classes and one image, worked out in spec 9.4."""
    model = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, -1.0]]))
    return score("snip", model, [(torch.tensor([[1.0, 2.0]]), torch.tensor([0]))])


def test_two_classes_by_hand(linear):
    (values,) = linear.values()
    wanted = torch.tensor([[0.047426, 0.0], [0.0, 0.094852]])
    assert torch.allclose(values, wanted, atol=1e-6)
    normalised = values / values.sum()
    assert torch.allclose(normalised, torch.tensor([[1 / 3, 0], [0, 2 / 3]]), atol=1e-6)
    for select in (keep_top, keep_top_with_ties):
        assert select(linear, 2)["weight"].tolist() == [[True, False], [False, True]]
        assert select(linear, 1)["weight"].tolist() == [[False, False], [False, True]]


def test_ties_at_the_threshold_all_stay_or_are_broken_by_position(linear):
    """The third best score is 0, and so is the fourth."""
    assert keep_top_with_ties(linear, 3)["weight"].all()
    assert int(keep_top(linear, 3)["weight"].sum()) == 3


@pytest.mark.parametrize(
    ("sparsity", "kappa"), [(0.5, 10_012_000), (0.9, 2_002_400), (0.98, 400_480)]
)
def test_how_many_weights_of_vgg19_survive(sparsity, kappa):
    assert kept_count(CONV_LINEAR, sparsity) == kappa


ROWS = st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=12), min_size=1, max_size=4)


@given(ROWS, st.data())
def test_with_ties_kept_the_mask_is_that_of_a_threshold(rows, data):
    scores = {f"layer{i}": torch.tensor(row).float() for i, row in enumerate(rows)}
    ranked = sorted((value for row in rows for value in row), reverse=True)
    keep = data.draw(st.integers(0, len(ranked)))
    masks = keep_top_with_ties(scores, keep)
    kept = sum(int(mask.sum()) for mask in masks.values())
    if keep == 0:
        assert kept == 0
        return
    assert kept == sum(value >= ranked[keep - 1] for value in ranked) >= keep
    exact = keep_top(scores, keep)
    assert not any(bool((exact[name] & ~masks[name]).any()) for name in masks)
    for name, values in scores.items():
        assert torch.equal(masks[name], values >= ranked[keep - 1])


def test_more_than_there_are_is_refused():
    with pytest.raises(UserError, match=r"keep: must lie in \[0, 2\], found 3"):
        keep_top_with_ties({"a": torch.ones(2)}, 3)


def test_the_finder_keeps_ties_where_it_is_told_to(digits):
    """Without a single image's worth of gradient behind a dead ReLU, many scores are zero."""
    model = build_model("small_cnn", num_classes=10, in_channels=1, width=4)
    with torch.no_grad():
        model.classifier.weight[5:] = 0
    options = {"data": digits, "sampling": "minibatch", "batch_size": 64, "sparsity": 0.01}
    exact = find_ticket("snip", model, **options)
    kept = find_ticket("snip", model, ties="kept", **options)
    total = sum(weight.numel() for weight in prunable_parameters(model).values())
    assert sum(exact.layer_kept().values()) == kept_count(total, 0.01)
    assert sum(kept.layer_kept().values()) == total
    assert not exact.masks["classifier.weight"][5:].all(), "zeros are removed first"


DENSITIES = {
    0.9: [
        *(0.9763, 0.8950, 0.8225, 0.7381, 0.6039, 0.4622, 0.4153, 0.3625, 0.2139, 0.0914),
        *(0.0637, 0.0432, 0.0319, 0.0207, 0.0115, 0.0058),
    ],
    0.98: [0.9265, 0.7381, 0.5906, 0.4400, 0.2569, 0.1233, 0.0903, 0.0611],
}


@pytest.fixture(scope="module")
def vgg_scores():
    """Return the scores of a redrawn VGG19 for 64 images of noise, labels 0 to 9 repeating."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    model = build_model("vgg19", num_classes=10, conv_bias=True, generator=generator(0, "model"))
    redraw_xavier(prunable_parameters(model), generator(0, "redraw"))
    images = torch.randn(64, 3, 32, 32, generator=generator(0, "images"))
    found = score("snip", model, [(images, torch.arange(64) % 10)])
    torch.set_num_threads(threads)
    return found


@pytest.mark.parametrize(
    ("sparsity", "linear"), [(0.9, (0.74, 0.80)), (0.98, (0.45, 0.55))], ids=["90", "98"]
)
def test_the_layers_of_a_vgg19_keep_what_the_fork_s_code_keeps(vgg_scores, sparsity, linear):
    """Spec 9.4 has one draw and its spread: 2.5 and 6 % at 90 %, 2 % of the first 8 at 98 %.

    Five draws of ours scatter around it on both sides, by up to 8 % in the last four convolutions,
    where one weight in a hundred stays, and by up to 3 % in the two in the middle.
    """
    masks = keep_top(vgg_scores, kept_count(CONV_LINEAR, sparsity))
    found = [float(mask.float().mean()) for mask in masks.values()]
    assert len(found) == 17
    for number, wanted in enumerate(DENSITIES[sparsity]):
        spread = 0.025 if number < 8 else 0.06 if number < 12 else 0.1
        spread = 0.02 if sparsity == 0.98 else spread
        assert found[number] == pytest.approx(wanted, rel=spread), f"conv{number + 1}"
    assert linear[0] - 0.01 < found[-1] < linear[1] + 0.01
