"""Light tickets: tickets with the same start weights hold them once, and stay whole."""

import hashlib
import os
import shutil

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from common.errors import UserError
from common.models import build_model, prunable_parameters
from common.tickets import Ticket
from common.tickets import files as files_module
from common.tickets import ticket as ticket_module
from common.tickets.ticket import link_ticket, weights_file

DENSITY = 0.8
LEVELS = 30
NAME = "ticket.safetensors"


def bits(tensor):
    """Return a tensor's bytes, so that -0.0 differs from 0.0 and nan equals itself."""
    return tensor.contiguous().reshape(-1).view(torch.uint8).tolist()


def same(one, other):
    assert list(one.masks) == list(other.masks)
    assert set(one.weights) == set(other.weights)
    assert one.meta == other.meta
    assert all(torch.equal(one.masks[name], mask) for name, mask in other.masks.items())
    for name, value in other.weights.items():
        assert one.weights[name].dtype == value.dtype and one.weights[name].shape == value.shape
        assert bits(one.weights[name]) == bits(value), name


def disk_usage(root):
    """Return the bytes of all files, one with several names counted once."""
    found = {path.stat().st_ino: path.stat().st_size for path in root.rglob("*") if path.is_file()}
    return sum(found.values())


@pytest.fixture
def pool(tmp_path):
    return tmp_path / "weights"


@pytest.fixture
def light(ticket, tmp_path, pool):
    """The path of a light ticket."""
    path = tmp_path / "phase" / NAME
    ticket.save_light(path, pool)
    return path


def pruned(ticket, seed=9):
    """Return a sparser ticket with the same start weights and other statistics."""
    draw = torch.Generator().manual_seed(seed)
    masks = {n: m & (torch.rand(m.shape, generator=draw) < 0.5) for n, m in ticket.masks.items()}
    others = {n: value + 1 for n, value in ticket.weights.items() if n not in masks}
    return Ticket(masks, {**ticket.weights, **others}, {"round": 2})


# What comes back


def test_a_light_ticket_comes_back_bit_for_bit(ticket, light):
    same(Ticket.load(light), ticket)
    names = sorted(path.name for path in light.parent.iterdir())
    digest = hashlib.sha256(weights_file(light).read_bytes()).hexdigest()
    assert names == [NAME, f"weights-{digest[:16]}.safetensors"]


@given(
    values=st.lists(st.floats(width=32, allow_nan=True), min_size=1, max_size=20),
    kept=st.lists(st.booleans(), min_size=20, max_size=20),
    other=st.floats(width=32),
)
def test_every_value_and_every_mask_comes_back(tmp_path_factory, values, kept, other):
    folder = tmp_path_factory.mktemp("any")
    weight = torch.tensor(values)
    made = Ticket(
        {"w": torch.tensor(kept[: len(values)])}, {"w": weight, "b": torch.tensor([other])}
    )
    made.save_light(folder / "t", folder / "pool")
    same(Ticket.load(folder / "t"), made)


@pytest.mark.parametrize("density", [0.0, 0.001, 0.5, 0.999, 1.0])
def test_masks_of_all_densities_come_back_and_never_take_more_than_their_bits(tmp_path, density):
    mask = torch.rand(100, 101, generator=torch.Generator().manual_seed(0)) < density
    made = Ticket({"w": mask}, {"w": torch.ones(mask.shape)})
    made.save_light(tmp_path / "t")
    same(Ticket.load(tmp_path / "t"), made)
    (stored,) = load_file(tmp_path / "t").values()
    assert stored.numel() <= (mask.numel() + 7) // 8
    assert (stored.numel() < 300) == (density in (0.0, 0.001, 0.999, 1.0))


def test_a_ticket_without_masks_has_nothing_to_share(ticket, tmp_path, pool):
    dense = Ticket({}, ticket.weights, {"dense": True})
    dense.save_light(tmp_path / "t", pool)
    same(Ticket.load(tmp_path / "t"), dense)
    assert weights_file(tmp_path / "t") is None and not pool.exists()


def test_ordinary_tickets_stay_as_they_were(ticket, light, tmp_path):
    ticket.save(tmp_path / "whole")
    with safe_open(tmp_path / "whole", framework="pt") as file:
        assert file.metadata()["format_version"] == "1"
    assert weights_file(tmp_path / "whole") is None
    with safe_open(light, framework="pt") as file:
        assert file.metadata()["format_version"] == "2", "older readers refuse it in one line"


# What is shared


def test_tickets_of_the_same_weights_hold_them_once(ticket, light, tmp_path, pool):
    second = tmp_path / "other" / NAME
    pruned(ticket).save_light(second, pool)
    one, other = weights_file(light), weights_file(second)
    assert one.name == other.name
    assert one.stat().st_ino == other.stat().st_ino
    assert [path.stat().st_ino for path in pool.iterdir()] == [one.stat().st_ino]
    same(Ticket.load(second), pruned(ticket))
    same(Ticket.load(light), ticket)


def test_a_weight_of_its_own_does_not_keep_the_others_from_being_shared(ticket, tmp_path, pool):
    name = "classifier.weight"
    assert name in ticket.masks
    paths = [tmp_path / folder / NAME for folder in ("one", "two")]
    for number, path in enumerate(paths):
        changed = Ticket(ticket.masks, {**ticket.weights, name: ticket.weights[name] + number})
        changed.save_light(path, pool, own=[name])
        same(Ticket.load(path), changed)
    assert len({weights_file(path).stat().st_ino for path in paths}) == 1
    ticket.save_light(paths[0], pool, own=list(ticket.masks))
    assert weights_file(paths[0]) is None
    same(Ticket.load(paths[0]), ticket)


def test_other_weights_have_another_file(ticket, light, tmp_path, pool):
    name = next(iter(ticket.masks))
    changed = Ticket(ticket.masks, {**ticket.weights, name: ticket.weights[name] + 1})
    changed.save_light(tmp_path / "other" / NAME, pool)
    assert len(list(pool.iterdir())) == 2
    same(Ticket.load(tmp_path / "other" / NAME), changed)


def test_a_link_to_a_ticket_takes_its_weights_along(light, tmp_path):
    target = tmp_path / "run" / NAME
    target.parent.mkdir()
    for _ in range(2):
        link_ticket(light, target)
    assert sorted(path.stat().st_ino for path in target.parent.iterdir()) == sorted(
        path.stat().st_ino for path in light.parent.iterdir()
    )


def test_where_there_are_no_links_there_are_copies(ticket, tmp_path, pool, monkeypatch):
    def refuse(*_):
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    for folder in ("one", "two"):
        ticket.save_light(tmp_path / folder / NAME, pool)
        same(Ticket.load(tmp_path / folder / NAME), ticket)
    assert not list(pool.iterdir()), "a pool of copies would only take space"
    (tmp_path / "run").mkdir()
    link_ticket(tmp_path / "one" / NAME, tmp_path / "run" / NAME)
    same(Ticket.load(tmp_path / "run" / NAME), ticket)


def test_a_damaged_file_in_the_pool_is_written_anew(ticket, light, tmp_path, pool):
    (pooled,) = pool.iterdir()
    pooled.write_bytes(b"x" * pooled.stat().st_size)  # the first ticket's file, too
    second = tmp_path / "other" / NAME
    ticket.save_light(second, pool)
    same(Ticket.load(second), ticket)
    assert weights_file(second).stat().st_ino == pooled.stat().st_ino
    ticket.save_light(light, pool)
    same(Ticket.load(light), ticket)


def test_a_pool_that_is_deleted_takes_no_ticket_along(ticket, light, tmp_path, pool):
    shutil.rmtree(pool)
    same(Ticket.load(light), ticket)
    pruned(ticket).save_light(tmp_path / "other" / NAME, pool)
    assert len(list(pool.iterdir())) == 1


def test_a_folder_that_is_copied_elsewhere_is_a_ticket(ticket, light, tmp_path, pool):
    copied = shutil.copytree(light.parent, tmp_path / "elsewhere")
    shutil.rmtree(light.parent)
    shutil.rmtree(pool)
    same(Ticket.load(copied / NAME), ticket)


# What is refused


def test_missing_weights_are_named(light, tmp_path):
    weights_file(light).unlink()
    text = r"its weights file weights-[0-9a-f]{16}\.safetensors is not beside it"
    with pytest.raises(UserError, match=text) as caught:
        Ticket.load(light)
    assert str(caught.value).startswith(f"ticket {light}: ") and "\n" not in str(caught.value)
    with pytest.raises(UserError, match=text):
        link_ticket(light, tmp_path / "target")


def test_changed_weights_are_named(light):
    path = weights_file(light)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf"weights file {path.name} is damaged or another") as e:
        Ticket.load(light)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("digest", [None, "", "../" * 16, "A" * 64])
def test_a_ticket_that_names_no_digest_is_damaged(tmp_path, digest):
    metadata = {"format": "lottery-ticket", "format_version": "2", "mask_shapes": "{}"}
    if digest is not None:
        metadata["weights_sha256"] = digest
    save_file({"weight/w": torch.ones(1)}, tmp_path / "t", metadata=metadata)
    with pytest.raises(UserError, match="metadata are damaged"):
        Ticket.load(tmp_path / "t")


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        (torch.ones(9, dtype=torch.uint8), "mask w: no zlib stream"),
        (torch.tensor([120, 156, 3, 0, 0, 0, 0, 1], dtype=torch.uint8), "do not hold 6 bits"),
        (torch.ones(9), "packed as float32, must be uint8"),
    ],
)
def test_a_mask_that_is_no_compressed_mask_is_refused(tmp_path, stored, reason):
    metadata = {"format": "lottery-ticket", "format_version": "1", "mask_shapes": '{"w": [6]}'}
    tensors = {"weight/w": torch.ones(6), "mask.deflated/w": stored}
    save_file(tensors, tmp_path / "t", metadata=metadata)
    with pytest.raises(UserError, match=reason):
        Ticket.load(tmp_path / "t")


def test_a_failed_save_leaves_nothing(ticket, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(files_module.os, "fsync", fail)
    with pytest.raises(OSError, match="no space left"):
        ticket.save_light(tmp_path / "phase" / NAME, tmp_path / "weights")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


# What it is for


@pytest.mark.slow
def test_thirty_levels_of_a_resnet50_take_less_than_two_dense_checkpoints(tmp_path, monkeypatch):
    """Norm layers and statistics go on from round to round, as rewinding leaves them by default.

    Weights are serialised for the first two tickets and the last. For those in between, which have
    the same tensors, the link that would come of it is made at once: it saves most of the time.
    """
    state = build_model("resnet50", num_classes=10).state_dict()
    torch.save(state, tmp_path / "dense.pt")
    dense = (tmp_path / "dense.pt").stat().st_size
    prunable = prunable_parameters(build_model("resnet50", num_classes=10))

    def link_to_the_first(weights, folder, pool):
        (pooled,) = pool.iterdir()
        folder.mkdir()
        os.link(pooled, folder / pooled.name)
        return digest

    draw = torch.Generator().manual_seed(0)
    scores = {name: torch.rand(state[name].shape, generator=draw) for name in prunable}
    for level in range(1, LEVELS + 1):
        masks = {name: score < DENSITY**level for name, score in scores.items()}
        moved = {name: value + level for name, value in state.items() if name not in masks}
        ticket = Ticket(masks, {**state, **moved}, {"level": level})
        if level == 3:
            (pooled,) = (tmp_path / "runs" / "weights").iterdir()
            digest = hashlib.sha256(pooled.read_bytes()).hexdigest()
        with monkeypatch.context() as patch:
            if 2 < level < LEVELS:
                patch.setattr(ticket_module, "keep_weights", link_to_the_first)
            ticket.save_light(tmp_path / "runs" / str(level) / NAME, tmp_path / "runs" / "weights")
    used = disk_usage(tmp_path / "runs")
    assert len(list((tmp_path / "runs" / "weights").iterdir())) == 1
    print(f"{LEVELS} tickets: {used / 1e6:.1f} MB, {used / dense:.2f} dense checkpoints")
    assert 94e6 < dense < 95e6
    assert used < 1.6 * dense
    last = Ticket.load(tmp_path / "runs" / str(LEVELS) / NAME)
    assert last.sparsity() == pytest.approx(1 - DENSITY**LEVELS, abs=1e-4)
    assert torch.equal(last.weights["conv1.weight"], state["conv1.weight"])
