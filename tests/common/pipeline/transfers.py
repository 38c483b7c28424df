"""Runs with a transfer, small enough for a test: what they share."""

from common.data import DATASETS, Split
from common.pipeline import compute_phase, phase_paths
from common.pipeline.context import initial_model, prepare_dataset
from common.tickets.states import load_state

FEW = {"count": 200}
TRAIN = {"epochs": 1, "batch_size": 100, "lr": 0.05}
FIND = {
    "name": "imp",
    "rounds": 2,
    "count": "percentile",
    "scope": "all_weights",
    "train": {**TRAIN, "subset": FEW},
    "rewind": {"to": "epoch", "epoch": 0, "scope": "all", "restart": True},
}
DATA = {"name": "digits_b", "augment": None, "subset": FEW}
FIELDS = {"data": DATA, "model": {"name": "small_cnn", "width": 2}, "find": FIND, "train": TRAIN}
FIVE = DATA | {"name": "five_digits"}
CLASSES = DATASETS["digits"].embedded()


def five_digits():
    """Return the splits of the digits 0 to 4."""
    return tuple(split.select((split.labels < 5).nonzero().flatten()) for split in CLASSES)


def coloured_digits():
    """Return the digits' splits with three channels."""
    return tuple(Split(split.images.repeat(1, 3, 1, 1), split.labels) for split in CLASSES)


def run(made, context):
    """Compute all phases of a plan and return it."""
    for phase in made.phases:
        compute_phase(phase, context)
    return made


def trained(made, context):
    """Return the final states of the trainings, in order."""
    return [load_state(phase_paths(p, context).final) for p in made.phases if p.kind == "train"]


def names(made):
    """Return the role and the data set of every phase."""
    return [f"{phase.role} {phase.setting.data.name}" for phase in made.phases]


def fresh(made, context):
    """Return the initial state of the target's network."""
    setting = made.train.setting
    dataset = prepare_dataset(setting.data, context, setting.seed)
    return initial_model(setting, dataset, context).state_dict()
