"""Iterative SNIP: nested rounds by default, and the fork's rounds that compete and gate (2.8)."""

import itertools

import pytest
import torch

from common.errors import UserError
from common.finders import FINDERS
from replications.generalizing_tickets.iterative_snip import IterativeSnipOptions

FIND = {"name": "iterative_snip", "rounds": 4}
REDRAWN = {"nested": False, "score_weights": "xavier_redraw", "ties": "kept"}
KEEP = [0.8, 0.64, 0.512, 0.4096, 0.32768, 0.26214]


def kept(chain):
    return [sum(ticket.layer_kept().values()) for ticket in chain.tickets]


def nominal(chain, rounds=4):
    return [int(chain.total * keep) for keep in KEEP[:rounds]]


def nested(chain):
    masks = [ticket.masks for ticket in chain.tickets]
    return all(
        not bool((after[name] & ~before[name]).any())
        for before, after in itertools.pairwise(masks)
        for name in after
    )


def test_the_first_round_prunes_and_the_thirty_first_keeps_one_in_a_thousand():
    options = IterativeSnipOptions(rounds=31)
    assert [options.kept_fraction(number) for number in range(1, 7)] == KEEP
    assert options.kept_fraction(31) == 0.00099
    assert IterativeSnipOptions(sparsity=0.36).number_of_rounds == 2


def test_rounds_are_nested_and_keep_exact_counts(toy, same):
    chain = toy(FIND)
    assert kept(chain) == nominal(chain) and nested(chain)
    assert len(chain.finals) == 4, "the first mask comes before any training"
    for ticket, before in zip(chain.tickets[1:], chain.finals, strict=False):
        assert same(ticket.weights, before), "training goes on from the trained weights"
    for ticket, final in zip(chain.tickets, chain.finals, strict=True):
        for name, mask in ticket.masks.items():
            assert not final[name][~mask].any()
        assert not any("bn" in name or "bias" in name for name in ticket.masks)


def test_rounds_may_start_from_the_initial_weights(toy, same):
    chain = toy(FIND | {"rewind": "init", "rounds": 3})
    start = chain.tickets[0].weights
    assert all(same(ticket.weights, start) for ticket in chain.tickets)
    assert kept(chain) == nominal(chain, 3) and nested(chain)
    other = toy(FIND | {"rounds": 3})
    assert same(other.tickets[0].masks, chain.tickets[0].masks)
    assert not same(other.tickets[2].masks, chain.tickets[2].masks)


def test_the_fork_s_gates_leave_fewer_weights_than_nominal(toy):
    """Spec 2.8: 1222, 800, 444, 241 weights for nominal 1222, 977, 782, 625, on another network."""
    chain = toy(FIND | REDRAWN | {"stack_gates": True})
    left = chain.nonzero()
    assert left == kept(chain), "a weight that any mask removed stays zero"
    assert abs(left[0] - nominal(chain)[0]) <= 1
    for number, wanted in enumerate(nominal(chain)[1:], start=1):
        assert left[number] < wanted - 0.05 * chain.total
    assert left == sorted(left, reverse=True) and nested(chain)


def test_without_gates_removed_weights_compete_again(toy):
    chain = toy(FIND | REDRAWN)
    assert not nested(chain)
    assert all(abs(a - b) <= 1 for a, b in zip(kept(chain), nominal(chain), strict=True))


def test_reinit_draws_conv_and_linear_layers_anew_in_every_round(toy):
    chain = toy(FIND | REDRAWN | {"reinit": True, "rounds": 3})
    starts = [ticket.weights for ticket in chain.tickets]
    for number, ticket in enumerate(chain.tickets):
        for name in (*ticket.masks, "classifier.bias"):
            fan_in = ticket.weights[name.replace("bias", "weight")][0].numel()
            assert float(ticket.weights[name].abs().max()) <= fan_in**-0.5 + 1e-6
            assert not any(
                torch.equal(starts[i][name], starts[number][name]) for i in range(number)
            )
    for before, ticket in zip(chain.finals, chain.tickets[1:], strict=False):
        for name, value in ticket.weights.items():
            if ".bn" in name:
                assert torch.equal(value, before[name]), "norm layers are not drawn anew"
    assert all(abs(a - b) <= 1 for a, b in zip(kept(chain), nominal(chain), strict=False))


def test_scores_of_redrawn_weights_do_not_see_the_trained_ones(toy, same):
    """With one draw a round, only norm layers and biases of the training before bear on it."""
    one = toy(FIND | {"rounds": 1})
    redrawn = toy(FIND | {"rounds": 1, "score_weights": "xavier_redraw"})
    assert same(one.tickets[0].weights, redrawn.tickets[0].weights)
    assert not same(one.tickets[0].masks, redrawn.tickets[0].masks)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rounds": None}, "give either rounds or sparsity"),
        ({"sparsity": 0.36}, "give either rounds or sparsity"),
        ({"rounds": None, "sparsity": 0.0}, "must be above 0"),
        ({"rounds": None, "sparsity": 0.5}, r"none that whole rounds reach; the nearest are 0\.48"),
        ({"stack_gates": True}, "stack_gates and reinit have no effect where nested is true"),
        ({"reinit": True}, "stack_gates and reinit have no effect where nested is true"),
        ({"nested": False, "rewind": "init"}, "rewind has no effect where nested is false"),
        ({"nested": False, "stack_gates": True, "reinit": True}, "exclude each other"),
        ({"nest": True}, "did you mean 'nested'"),
    ],
)
def test_what_cannot_be_is_refused(toy, options, message):
    with pytest.raises(UserError, match=message) as caught:
        toy(FIND | options)
    assert "\n" not in str(caught.value)


# --- one-shot magnitude


def test_one_shot_magnitude_is_one_percentile_of_the_trained_network(toy, same):
    chain = toy({"name": "oneshot_magnitude", "sparsity": 0.5})
    (ticket,) = chain.tickets
    dense, final = chain.finals
    assert same(ticket.weights, dense)
    assert chain.total - sum(ticket.layer_kept().values()) == (chain.total - 1) // 2 + 1
    assert any(".bn" in name for name in ticket.masks), "norm scales, too"
    stay = torch.cat([dense[name][mask].abs() for name, mask in ticket.masks.items()])
    gone = torch.cat([dense[name][~mask].abs() for name, mask in ticket.masks.items()])
    assert stay.min() > gone.max()
    assert not any(final[name][~mask].any() for name, mask in ticket.masks.items())


def test_it_may_be_rewound_late_or_permuted(toy, same):
    train = {"epochs": 2, "batch_size": 50, "lr": 0.05, "subset": {"count": 200}}
    find = {"name": "oneshot_magnitude", "sparsity": 0.5, "train": train}
    own = toy(find)
    late = toy(find | {"rewind": "late"})
    assert same(own.tickets[0].masks, late.tickets[0].masks)
    assert int(late.tickets[0].weights["features.bn1.num_batches_tracked"]) == 4
    permuted = toy(find | {"permute": "global"})
    assert not same(own.tickets[0].masks, permuted.tickets[0].masks)
    assert sum(permuted.tickets[0].layer_kept().values()) == sum(
        own.tickets[0].layer_kept().values()
    )
    with pytest.raises(
        UserError, match=r"rewind_epoch must be at most train\.epochs \(2\), found 3"
    ):
        toy(find | {"rewind": "late", "rewind_epoch": 3})
    assert "oneshot_magnitude" not in FINDERS, "it is this replication's own"
