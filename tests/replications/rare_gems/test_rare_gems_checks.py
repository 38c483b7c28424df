"""The paper's sanity checks on the tickets of every finder: what they change, and what not."""

import math

import pytest
import torch
from safetensors.torch import load_file

from common.errors import UserError
from common.pipeline import phase_paths
from common.tickets import Ticket, transform_ticket
from replications.rare_gems.checks import CHECKS, Reinit, ShuffleMask

pytestmark = pytest.mark.usefixtures("one_thread")
SEARCH = {"epochs": 2, "batch_size": 50, "lr": 0.05}
ROUND = {"epochs": 1, "batch_size": 50, "lr": 0.05, "subset": {"count": 250}}
POPUP = {"name": "edge_popup", "sparsity": 0.6, **SEARCH, "select": "last"}
FINDERS = {
    "gem_miner": {"name": "gem_miner", "sparsity": 0.6, "prune_period": 1, **SEARCH},
    "hypercube": {"name": "hypercube", **SEARCH},
    "edge-popup": POPUP,
    "global edge-popup": {**POPUP, "scope": "global"},
    "warm imp": {"name": "imp", "rounds": 3, "train": ROUND, "rewind": {"to": "step", "step": 2}},
    "lrr": {"name": "imp", "rounds": 3, "train": ROUND, "rewind": {"to": "none"}},
    "snip": {"name": "snip", "sparsity": 0.6},
    "grasp": {"name": "grasp", "sparsity": 0.6},
    "synflow": {"name": "synflow", "sparsity": 0.6, "rounds": 5},
    "smart_ratio": {"name": "smart_ratio", "sparsity": 0.6},
}
TRAINED = {"gem_miner", "hypercube", "edge-popup", "global edge-popup", "warm imp", "lrr"}


@pytest.mark.parametrize("kind", FINDERS)
def test_each_check_changes_one_thing_and_leaves_the_rest_bit_for_bit(run_shared, shared, kind):
    checks = ["shuffle_mask", "reinit"]
    plan, record = run_shared(FINDERS[kind], "resnet8", transform=checks)
    ends = [phase for phase in plan.phases if phase.kind == "find"][-1:]
    ends += [phase for phase in plan.phases if phase.kind == "transform"]
    found, shuffled, drawn = (Ticket.load(phase_paths(p, shared).ticket) for p in ends)
    assert 0.3 < found.sparsity() < 0.7

    assert shuffled.layer_kept() == found.layer_kept()
    for name, mask in found.masks.items():
        if 20 < int(mask.sum()) < mask.numel() - 20:
            assert not torch.equal(mask, shuffled.masks[name]), name
    assert found.weights.keys() == shuffled.weights.keys()
    assert all(torch.equal(shuffled.weights[k], v) for k, v in found.weights.items())

    assert all(torch.equal(drawn.masks[k], v) for k, v in shuffled.masks.items())
    for name, value in shuffled.weights.items():
        assert torch.equal(drawn.weights[name], value) is (name not in found.masks), name
    statistics = [v for k, v in drawn.weights.items() if k.endswith("running_mean")]
    assert all(bool(v.any()) for v in statistics) is (kind in TRAINED), "those of the search stay"
    assert [entry["name"] for entry in drawn.meta["transforms"]] == checks
    assert record["ticket"]["layer_kept"] == found.layer_kept()


@pytest.fixture
def ticket(network):
    """A ticket of the small ResNet with shuffled masks and moved statistics."""
    source = torch.Generator().manual_seed(0)
    state = {k: v.detach().contiguous().clone() for k, v in network("resnet8").state_dict().items()}
    state |= {name: value + 1.0 for name, value in state.items() if "running" in name}
    masks = {
        name: torch.rand(value.shape, generator=source) < 0.4
        for name, value in state.items()
        if value.dim() == 4
    }
    return Ticket(masks, state)


def transformed(ticket, network, options, seed=0):
    draw = torch.Generator().manual_seed(seed)

    def build(generator):
        model = network("resnet8")
        for parameter in model.parameters():
            signs = torch.rand(parameter.shape, generator=generator) < 0.5
            parameter.data = torch.where(signs, parameter.data.abs(), -parameter.data.abs())
        return model

    return transform_ticket(ticket, options, draw, build, CHECKS)


def test_new_weights_are_kaiming_normal_of_the_fan_in_by_default(ticket, network):
    drawn = transformed(ticket, network, Reinit())
    scaled = [
        (value / math.sqrt(2 / value[0].numel())).flatten()
        for name, value in drawn.weights.items()
        if name in ticket.masks
    ]
    values = torch.cat(scaled)
    assert len(values) > 500
    assert float(values.mean()) == pytest.approx(0.0, abs=4 / math.sqrt(len(values)))
    assert float(values.std()) == pytest.approx(1.0, abs=4 / math.sqrt(2 * len(values)))
    assert len(values.unique()) == len(values), "no signed constants"


def test_or_they_follow_the_scheme_of_the_network(ticket, network):
    drawn = transformed(ticket, network, Reinit(init="same_as_init"))
    for name in ticket.masks:
        old, new = ticket.weights[name], drawn.weights[name]
        assert not torch.equal(new, old)
        assert torch.equal(new.abs(), old.abs()), "signed constants with other signs"
    with pytest.raises(UserError, match=r"transform\.init: unknown name 'kaiming_norml'; did you"):
        transformed(ticket, network, Reinit(init="kaiming_norml"))


def test_a_check_is_random_but_follows_from_the_run_s_seed(ticket, network):
    for options in (ShuffleMask(), Reinit()):
        one, same, other = (transformed(ticket, network, options, seed) for seed in (0, 0, 1))
        part = "masks" if options.name == "shuffle_mask" else "weights"
        a, b, c = (getattr(x, part) for x in (one, same, other))
        assert all(torch.equal(a[name], b[name]) for name in a)
        assert any(not torch.equal(a[name], c[name]) for name in a)


def test_weights_that_do_not_count_are_not_drawn_again(ticket, network):
    shortcut = next(name for name in ticket.masks if "shortcut" in name)
    masks = {name: mask for name, mask in ticket.masks.items() if name != shortcut}
    drawn = transformed(Ticket(masks, ticket.weights), network, Reinit())
    assert torch.equal(drawn.weights[shortcut], ticket.weights[shortcut])


# --- score inversion is a search of its own


@pytest.mark.parametrize("scope", ["layer", "global"])
def test_inverted_edge_popup_keeps_the_lowest_scores(search, scope):
    """With almost no learning both searches see the same scores; at one half they are opposite."""
    given = {"sparsity": 0.5, "epochs": 1, "batch_size": 40, "lr": 1e-12, "scope": scope}
    given["weight_decay"] = 0.0
    top, low = (search("edge_popup", invert=invert, **given).ticket for invert in (False, True))
    sizes = sum(mask.numel() for mask in top.masks.values())
    assert abs(top.sparsity() - low.sparsity()) <= 2 / sizes
    both = sum(int((top.masks[name] & low.masks[name]).sum()) for name in top.masks)
    assert both <= 2


def test_inverted_imp_removes_the_largest_trained_weights(run_shared, shared):
    find = {"name": "imp", "rounds": 1, "fraction_per_round": 0.3, "train": ROUND}
    plans = [run_shared({**find, "invert": invert}, "resnet8")[0] for invert in (False, True)]
    assert plans[0].phases[0].identity == plans[1].phases[0].identity, "one training for both"
    trained = load_file(phase_paths(plans[0].phases[0], shared).final)
    kept = []
    for plan, sign in zip(plans, (1.0, -1.0), strict=True):
        ticket = Ticket.load(phase_paths(plan.ticket, shared).ticket)
        sizes = {name: sign * trained[name].abs() for name in ticket.masks}
        inside = torch.cat([sizes[name][mask] for name, mask in ticket.masks.items()])
        outside = torch.cat([sizes[name][~mask] for name, mask in ticket.masks.items()])
        assert inside.min() >= outside.max()
        kept.append(len(inside))
    assert kept[0] == kept[1]
