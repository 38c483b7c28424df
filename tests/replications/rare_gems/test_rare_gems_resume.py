"""A search killed in an epoch, at its end, between epochs or behind the last: the same bits."""

import pytest
import torch

from common.masks import MaskLearner
from common.training import CheckpointStore

pytestmark = pytest.mark.usefixtures("one_thread")
EPOCHS, STEPS = 5, 3
RECIPE = {"epochs": EPOCHS, "lr": 0.3, "batch_size": 40}
POPUP = {**RECIPE, "sparsity": 0.8}
GEM = {**POPUP, "prune_period": 2}
ADAM = {"optimizer": "adam", "lr": 0.02, "momentum": 0.0}
# A finder, a network, the finder's options.
KINDS = {
    "standard": ("gem_miner", "small_cnn", {"lambda": 1e-3}),
    "adam, L1, exact count": (
        "gem_miner",
        "fc",
        {"regularization": "L1", "lambda": 0.01, "exact_count": True, **ADAM},
    ),
    "rewound scores": ("gem_miner", "fc", {"rewind_scores_to": 1, "save_every_level": True}),
    "quantile": ("gem_miner", "fc", {"mask_rule": "quantile", "warm_start": True}),
    "by layer, noise": ("gem_miner", "fc", {"freeze_rule": "layer_bottom_k", "noise": 0.1}),
    "rounded at random": (
        "gem_miner",
        "fc",
        {"rounding": "prob", "ticket_mask": "rounded", "quantized": False, "samples": 2},
    ),
    "hypercube": ("hypercube", "fc", {"project_every": 2, "regularization": "var_red_1"}),
    "global edge-popup": ("edge_popup", "fc", {"scope": "global"}),
    "gradual edge-popup": (
        "edge_popup",
        "fc",
        {"scope": "global", "gradual": True, "prune_period": 1, "select": "last"},
    ),
    "learned smart ratio": (
        "smart_ratio",
        "fc",
        {"learn": {"epochs": EPOCHS, "batch_size": 40, "lr": 1e-3}},
    ),
}


class KilledError(Exception):
    """Ends a search from within."""


@pytest.fixture
def go(search):
    """Return a function that runs a search of a kind, with hooks."""

    def start(kind, **hooks):
        find, model, more = KINDS[kind]
        wanted = {"gem_miner": GEM, "hypercube": RECIPE, "edge_popup": POPUP}
        return search(find, model, hooks=hooks, **{**wanted.get(find, {"sparsity": 0.8}), **more})

    return start


def deadly(count):
    """Return a function that raises when it is called for the ``count``-th time."""
    left = [count]

    def call(*_):
        left[0] -= 1
        if left[0] == 0:
            raise KilledError

    return call


def outcome(done):
    """Return the tensors and the numbers that two searches must have in common."""
    tickets = {"found": done.ticket, **done.saved}
    tensors = {
        f"{key}/{part}/{name}": value
        for key, ticket in tickets.items()
        for part in ("masks", "weights")
        for name, value in getattr(ticket, part).items()
    }
    metrics = {k: v for k, v in done.found.metrics.items() if "seconds" not in k}
    return tensors, (metrics, done.found.search)


def same(one, other):
    a, b = one[0], other[0]
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a) and one[1] == other[1]


@pytest.mark.parametrize("kind", KINDS)
def test_killed_wherever_it_may_be(go, tmp_path, monkeypatch, kind):
    whole = outcome(go(kind))
    told = {"checkpoints": CheckpointStore(tmp_path), "checkpoint_seconds": 0.0}
    saved = {}

    def killed(**hooks):
        with pytest.raises(KilledError):
            saved.update(go(kind, **told, **hooks).saved)

    killed(on_step=deadly(2))  # in the first epoch
    found = told["checkpoints"].load()
    assert (len(found.values["history"]), found.values["step"]) == (0, 1)
    with monkeypatch.context() as patch:  # behind the last step of the second epoch
        end, die = MaskLearner.end_epoch, deadly(2)
        patch.setattr(MaskLearner, "end_epoch", lambda *key: (die(), end(*key))[1])
        killed()
    found = told["checkpoints"].load()
    assert (len(found.values["history"]), found.values["step"]) == (1, STEPS)
    killed(on_epoch=deadly(2))  # between the third epoch and the fourth
    found = told["checkpoints"].load()
    assert (len(found.values["history"]), found.values["step"]) == (3, 0)
    killed(on_epoch=deadly(2))  # behind the last
    assert len(told["checkpoints"].load().values["history"]) == EPOCHS
    steps = []
    again = go(kind, **told, on_step=steps.append)
    assert not steps, "nothing is left to learn"
    tensors, numbers = outcome(again)
    wanted = {key: value for key, value in whole[0].items() if key.startswith("found")}
    assert same((tensors, numbers), (wanted, whole[1]))


def test_the_comparison_sees_a_freeze_mask_that_holds_something_else(go, tmp_path):
    store = CheckpointStore(tmp_path)
    told = {"checkpoints": store, "checkpoint_seconds": 0.0}
    with pytest.raises(KilledError):
        go("standard", **told, on_epoch=deadly(4))
    found = store.load()
    name = next(key for key in found.tensors if key.endswith(".active") and "conv2" in key)
    changed = found.tensors[name].clone()
    changed.view(-1)[int(changed.view(-1).argmax())] = 0.0
    store.save({**found.tensors, name: changed}, found.values)
    assert not same(outcome(go("standard", **told)), outcome(go("standard")))


def test_a_search_that_was_emptied_is_not_continued(search, tmp_path):
    told = {"checkpoints": CheckpointStore(tmp_path), "checkpoint_seconds": 0.0}
    given = {**GEM, "epochs": 20, "lr": 0.01, "lambda": 3.0, "schedule": "constant"}
    first = search("gem_miner", hooks=told, momentum=0.0, **given)
    assert first.rows[-1]["emptied"] and len(first.rows) < 15
    steps = []
    again = search("gem_miner", hooks={**told, "on_step": steps.append}, momentum=0.0, **given)
    assert not steps and same(outcome(again), outcome(first))
