"""What phases and runs keep on the disk: start weights once, final states without their zeros."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from common.pipeline import Methods, compute, compute_phase, finish_run, phase_paths, plan_run
from common.pipeline.record import run_paths
from common.tickets import Ticket
from common.tickets.states import load_start, load_state, save_state
from common.tickets.ticket import weights_file
from common.tickets.transfer import RULE
from common.tracking import PhaseLabels, WandbMirror

pytestmark = pytest.mark.usefixtures("one_thread")

TRAIN = {"epochs": 1, "batch_size": 100, "lr": 0.05}
CHAIN = {"name": "imp", "rounds": 3, "train": TRAIN}
FIELDS = {"data": {"name": "digits", "augment": None, "subset": {"count": 250}}, "train": TRAIN}


@pytest.fixture
def plan(run_config, context):
    """Return a function that plans a run on a few digits."""

    def build(find=CHAIN, **fields):
        content = context.dataset("digits").fingerprint["sha256"]
        return plan_run(run_config(**FIELDS | {"find": find} | fields), 0, Methods(), content)

    return build


def compute_all(made, context):
    for phase in made.phases:
        compute_phase(phase, context)
    finish_run(made, context)
    return made


def tickets(made, context):
    return [phase_paths(p, context).ticket for p in made.phases if p.kind != "train"]


def inode(path):
    return path.stat().st_ino


def same(one, other):
    return sorted(one) == sorted(other) and all(torch.equal(one[k], other[k]) for k in one)


def same_ticket(one, other):
    return same(one.masks, other.masks) and same(one.weights, other.weights)


def test_a_chain_a_check_and_the_run_hold_one_copy_of_the_start_weights(plan, context):
    made = compute_all(plan(transform=["layerwise_rearrange"]), context)
    paths = tickets(made, context)
    assert len(paths) == 4
    (pooled,) = context.workspace.weights.iterdir()
    files = [weights_file(path) for path in [*paths, run_paths(made, context).ticket]]
    assert {inode(path) for path in files} == {inode(pooled)}
    assert pooled.stat().st_nlink == 6
    assert len({path.parent for path in files}) == 5


def test_a_classifier_that_is_carried_over_is_the_ticket_s_own(plan, context, monkeypatch):
    """It is pruned and not rewound, so that it differs from round to round."""
    save = Ticket.save_light
    seen = []

    def save_light(ticket, path, pool=None, own=()):
        seen.append(list(own))
        save(ticket, path, pool, own)

    monkeypatch.setattr(Ticket, "save_light", save_light)
    for rule, own in [("carried", ["classifier.weight"]), ("fresh", []), (None, [])]:
        paths = phase_paths(plan().phases[1], context)
        weights = {"features.fc1.weight": torch.ones(2), "classifier.weight": torch.ones(2)}
        masks = {key: torch.tensor([True, False]) for key in weights}
        meta = {} if rule is None else {RULE: rule}
        with WandbMirror(context.wandb, "x", PhaseLabels("", "", "", ()), {}) as mirror:
            compute._save_ticket(Ticket(masks, weights, meta), paths, mirror, 0.0, context)
        assert seen[-1] == own


def test_the_folder_of_a_run_stands_on_its_own(plan, context, tmp_path):
    made = compute_all(plan(), context)
    ticket = Ticket.load(run_paths(made, context).ticket)
    state = load_state(run_paths(made, context).checkpoint)
    copied = shutil.copytree(run_paths(made, context).root, tmp_path / "elsewhere")
    shutil.rmtree(context.workspace.runs)
    found = Ticket.load(copied / "ticket.safetensors")
    assert same_ticket(found, ticket) and found.meta == ticket.meta
    assert same(load_state(copied / "checkpoint.safetensors"), state)


def test_a_run_whose_ticket_is_another_now_drops_the_weights_of_the_old_one(plan, context):
    made = plan()
    old = run_paths(made, context).root / "weights-0123456789abcdef.safetensors"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"of an older ticket")
    compute_all(made, context)
    assert [path.name for path in old.parent.glob("weights-*")] == [
        weights_file(run_paths(made, context).ticket).name
    ]


def test_a_finished_chain_goes_on_without_the_pool(plan, context):
    short = compute_all(plan({**CHAIN, "rounds": 1}), context)
    shutil.rmtree(context.workspace.weights)
    made = compute_all(plan(), context)
    first, *rest = tickets(made, context)
    assert first == tickets(short, context)[0]
    start = Ticket.load(first).weights
    for path in rest:
        later = Ticket.load(path)
        assert all(torch.equal(later.weights[name], start[name]) for name in later.masks)
    assert len({inode(weights_file(path)) for path in rest}) == 1


def test_phases_of_earlier_versions_still_count(plan, context):
    """Ordinary tickets and plain final states, as they were written before, give the same bits."""
    made = compute_all(plan(), context)
    last = load_state(phase_paths(made.train, context).final)
    for phase in made.phases[:-2]:
        paths = phase_paths(phase, context)
        if phase.kind == "train":
            paths.final.write_bytes(save_state(load_state(paths.final), {}))
        else:
            ticket = Ticket.load(paths.ticket)
            weights_file(paths.ticket).unlink()
            ticket.save(paths.ticket)
    for phase in made.phases[-2:]:
        shutil.rmtree(phase_paths(phase, context).root)
        assert compute_phase(phase, context)
    assert same(load_state(phase_paths(made.train, context).final), last)
    ordinary = made.phases[1]
    assert weights_file(phase_paths(ordinary, context).ticket) is None


def test_a_sparse_final_state_is_compact_and_a_dense_one_plain(plan, context):
    made = compute_all(plan(), context)
    dense = phase_paths(made.phases[0], context).final
    sparse = phase_paths(made.train, context).final
    assert same(load_file(dense), load_state(dense)) and load_start(dense).masks == {}
    ticket = Ticket.load(phase_paths(made.ticket, context).ticket)
    found = load_start(sparse)
    assert same(found.masks, ticket.masks)
    assert sparse.stat().st_size < 0.8 * dense.stat().st_size, "about half of the weights are left"
    assert inode(run_paths(made, context).checkpoint) == inode(sparse)


def test_a_mirror_gets_a_ticket_that_needs_no_other_file(plan, context, monkeypatch, tmp_path):
    sent = []

    def add_ticket(mirror, path, meta):
        sent.append(tmp_path / f"{len(sent)}.safetensors")
        shutil.copyfile(path, sent[-1])
        assert path.name == "ticket.safetensors"

    monkeypatch.setattr(WandbMirror, "active", True)
    monkeypatch.setattr(WandbMirror, "add_ticket", add_ticket)
    made = compute_all(plan(), context)
    for path, copy in zip(tickets(made, context), sent, strict=True):
        assert weights_file(copy) is None
        assert same_ticket(Ticket.load(copy), Ticket.load(path))


def test_a_checkpoint_can_be_the_start_of_another_run(plan, context, tmp_path):
    made = compute_all(plan(), context)
    checkpoint = run_paths(made, context).checkpoint
    state = load_state(checkpoint)
    torch.save({"state_dict": state}, tmp_path / "state.pth")
    for path, masked in [(checkpoint, True), (tmp_path / "state.pth", False)]:
        taken = compute_all(plan({"name": "ticket_file", "path": str(path)}, train=None), context)
        assert same(load_state(run_paths(taken, context).checkpoint), state)
        record = json.loads(phase_paths(taken.ticket, context).result.read_text())
        assert (record["ticket"]["sparsity"] > 0) == masked
