"""A small network and a few digits, for chains of the replication's own methods."""

import pytest
import torch

from common.config import parse_config
from common.pipeline import compute_phase, phase_paths, plan_run
from common.tickets import Ticket
from common.tickets.states import load_state
from replications.generalizing_tickets.methods import METHODS

FEW = {"count": 200}
TRAIN = {"epochs": 1, "batch_size": 50, "lr": 0.05}
BASE = {
    "paper": "generalizing_tickets",
    "experiment": "toy",
    "protocol": "test",
    "name": "toy",
    "method": "imp",
    "variant": "own",
    "data": {"name": "digits", "augment": None, "subset": FEW},
    "model": {"name": "small_cnn", "width": 4},
    "train": TRAIN,
}


class Chain:
    """A computed run: its plan, tickets of its rounds and final states of its trainings."""

    def __init__(self, plan, context):
        self.plan = plan
        for phase in plan.phases:
            compute_phase(phase, context)
        paths = {phase: phase_paths(phase, context) for phase in plan.phases}
        self.tickets = [
            Ticket.load(paths[phase].ticket) for phase in plan.phases if phase.kind == "find"
        ]
        self.finals = [
            load_state(paths[phase].final) for phase in plan.phases if phase.kind == "train"
        ]

    def nonzero(self):
        """Return the number of weights that are not zero after every training, by the masks."""
        names = list(self.tickets[-1].masks)
        return [sum(int((state[name] != 0).sum()) for name in names) for state in self.finals]

    @property
    def total(self):
        """The number of all prunable weights."""
        return sum(mask.numel() for mask in self.tickets[-1].masks.values())


@pytest.fixture
def toy(context, one_thread):
    """Return a function that computes a run of the toy network."""

    def compute(find, **fields):
        raw = BASE | {"find": {"train": {**TRAIN, "subset": FEW}, **find}} | fields
        config = parse_config(raw, METHODS.catalog())
        content = context.dataset("digits").fingerprint["sha256"]
        return Chain(plan_run(config, 0, METHODS, content), context)

    return compute


@pytest.fixture(scope="session")
def same():
    """Return a function that compares two states, or some of their names."""

    def compare(one, other, names=None):
        return all(torch.equal(one[name], other[name]) for name in names or one)

    return compare
