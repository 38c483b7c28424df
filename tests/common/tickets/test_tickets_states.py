"""States of networks: compact files give the same bits, and checkpoints of any origin are read."""

import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, load_file, save_file

from common.errors import UserError
from common.tickets import Ticket
from common.tickets.states import load_start, load_state, save_state

NAN = float("nan")


def bits(tensor):
    return tensor.contiguous().reshape(-1).view(torch.uint8).tolist()


def same(one, other):
    assert set(one) == set(other)
    for name, value in other.items():
        assert one[name].dtype == value.dtype and one[name].shape == value.shape, name
        assert bits(one[name]) == bits(value), name


def trained(ticket):
    """Return a state as a training under a ticket's masks leaves it."""
    return {
        name: torch.where(ticket.masks[name], value, 0.0) if name in ticket.masks else value
        for name, value in ticket.weights.items()
    }


# Compact states


def test_a_sparse_state_comes_back_bit_for_bit_with_its_masks(ticket, tmp_path):
    state = trained(ticket)
    path = tmp_path / "final.safetensors"
    path.write_bytes(save_state(state, ticket.masks))
    same(load_state(path), state)
    start = load_start(path)
    same(start.weights, state)
    assert list(start.masks) == list(ticket.masks)
    assert all(torch.equal(start.masks[name], mask) for name, mask in ticket.masks.items())


@given(
    values=st.lists(st.floats(width=32, allow_nan=True), min_size=1, max_size=20),
    kept=st.lists(st.booleans(), min_size=20, max_size=20),
    negative=st.booleans(),
)
def test_kept_values_keep_every_bit_and_removed_ones_are_zero(
    tmp_path_factory, values, kept, negative
):
    path = tmp_path_factory.mktemp("any") / "state"
    mask = torch.tensor(kept[: len(values)])
    removed = torch.tensor(-0.0 if negative else 0.0)
    whole = torch.tensor(values)
    state = {"w": torch.where(mask, whole, removed), "count": torch.tensor(3)}
    path.write_bytes(save_state(state, {"w": mask}))
    same(load_state(path), {**state, "w": torch.where(mask, whole, torch.tensor(0.0))})


def test_types_and_memory_formats(tmp_path):
    mask = torch.rand(4, 3, 2, 2, generator=torch.Generator().manual_seed(0)) < 0.4
    value = torch.where(mask, torch.randn(4, 3, 2, 2), 0.0)
    state = {
        "conv": value.to(memory_format=torch.channels_last),
        "half": value.bfloat16(),
        "double": value.double(),
        "emptied": torch.zeros(3),
        "count": torch.tensor(7),
    }
    masks = dict.fromkeys(("conv", "half", "double"), mask)
    masks["emptied"] = torch.zeros(3, dtype=torch.bool)
    (tmp_path / "t").write_bytes(save_state(state, masks))
    same(load_state(tmp_path / "t"), state)


def test_a_state_of_density_a_tenth_takes_a_sixth(tmp_path):
    mask = torch.rand(200, 200, generator=torch.Generator().manual_seed(0)) < 0.1
    state = {"w": torch.randn(200, 200) * mask}
    assert len(save_state(state, {"w": mask})) < len(save_state(state, {})) / 6


@pytest.mark.parametrize("value", [1e-30, NAN])
def test_a_removed_weight_that_is_not_zero_is_not_lost(tmp_path, value):
    masks = {name: torch.tensor([True, False, True]) for name in ("w", "v")}
    state = {"w": torch.tensor([1.0, value, 2.0]), "v": torch.tensor([1.0, 0.0, 2.0])}
    (tmp_path / "t").write_bytes(save_state(state, masks))
    same(load_state(tmp_path / "t"), state)
    assert list(load_start(tmp_path / "t").masks) == ["v"], "its mask is not true of it"


def test_a_dense_state_is_a_plain_file(ticket, tmp_path):
    content = save_state(ticket.weights, {})
    same(load(content), ticket.weights)
    (tmp_path / "t").write_bytes(content)
    same(load_state(tmp_path / "t"), ticket.weights)
    start = load_start(tmp_path / "t")
    assert start.masks == {} and start.sparsity() == 0.0
    assert start.meta == {"checkpoint": "t"}


# Other origins


@pytest.mark.parametrize("light", [False, True])
def test_a_ticket_is_a_start_as_it_is_and_a_state_with_zeros(ticket, tmp_path, light):
    path = tmp_path / "t"
    (ticket.save_light if light else ticket.save)(path)
    same(load_state(path), trained(ticket))
    start = load_start(path)
    same(start.weights, ticket.weights)
    assert start.meta == ticket.meta and start.masks.keys() == ticket.masks.keys()


@pytest.mark.parametrize("name", ["t.pt", "t.pth", "t.pth.tar"])
@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("wrapped", [False, True])
def test_files_of_pytorch_are_read(ticket, tmp_path, name, prefix, wrapped):
    state = {prefix + key: value for key, value in ticket.weights.items()}
    torch.save({"state_dict": state, "epoch": 3} if wrapped else state, tmp_path / name)
    same(load_state(tmp_path / name), ticket.weights)
    assert load_start(tmp_path / name).masks == {}


def test_a_prefix_that_not_all_names_have_is_part_of_them(tmp_path):
    state = {"module.w": torch.ones(1), "w": torch.zeros(1)}
    torch.save(state, tmp_path / "t.pt")
    same(load_state(tmp_path / "t.pt"), state)


def test_parameters_and_tied_tensors_are_plain_tensors_afterwards(tmp_path):
    weight = torch.nn.Parameter(torch.ones(2))
    torch.save({"a": weight, "b": weight}, tmp_path / "t.pt")
    state = load_state(tmp_path / "t.pt")
    same(state, {"a": torch.ones(2), "b": torch.ones(2)})
    state["a"].zero_()
    assert bool((state["b"] == 1).all()) and not state["a"].requires_grad


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([1, 2], "must hold a state dict, found list"),
        ({"epoch": 3}, "found int under 'epoch'"),
        ({"state_dict": {"w": torch.ones(1), "lr": 0.1}}, "found float under 'lr'"),
        ({3: torch.ones(1)}, "found Tensor under 3"),
        (torch.nn.Linear(1, 1), r"PyTorch reads no tensors from it \(UnpicklingError\)"),
    ],
)
def test_files_of_pytorch_that_hold_something_else_are_refused(tmp_path, content, reason):
    path = tmp_path / "t.pt"
    torch.save(content, path)
    with pytest.raises(UserError, match=reason) as caught:
        load_state(path)
    assert str(caught.value).startswith(f"checkpoint {path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"text", pickle.dumps(print)])
def test_what_is_no_file_of_pytorch_is_refused(tmp_path, content):
    (tmp_path / "t.pth").write_bytes(content)
    with pytest.raises(UserError, match="PyTorch reads no tensors from it") as caught:
        load_state(tmp_path / "t.pth")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["absent.safetensors", "absent.pt", "."])
def test_a_missing_file_is_one_line(tmp_path, name):
    with pytest.raises(UserError, match=r"checkpoint .*: no such file"):
        load_state(tmp_path / name)


def test_only_the_weights_of_a_light_ticket_are_refused(ticket, tmp_path):
    ticket.save_light(tmp_path / "t")
    (weights,) = tmp_path.glob("weights-*")
    with pytest.raises(UserError, match="only the weights of a light ticket"):
        load_start(weights)
    weights.unlink()
    with pytest.raises(UserError, match=rf"^ticket {tmp_path}/t: its weights file"):
        load_start(tmp_path / "t")


@pytest.mark.parametrize(
    ("tensors", "metadata", "reason"),
    [
        ({}, {}, "w: must hold 2 kept values, found none"),
        ({"kept/w": torch.ones(3)}, {}, r"w: must hold 2 kept values, found shape \[3\]"),
        ({"kept/w": torch.ones(2)}, {"mask_shapes": "{"}, "metadata are damaged"),
        ({"kept/w": torch.ones(2)}, {"format_version": "2"}, "format version 2 is newer than 1"),
        ({"kept/w": torch.ones(2)}, {"mask_shapes": '{"w": [9]}'}, "1 bytes do not hold 9 bits"),
    ],
)
def test_a_compact_file_that_contradicts_itself_is_refused(tmp_path, tensors, metadata, reason):
    merged = {"format": "compact-state", "format_version": "1", "mask_shapes": '{"w": [3]}'}
    packed = torch.tensor([0b10100000], dtype=torch.uint8)
    save_file({"mask.packed/w": packed, **tensors}, tmp_path / "t", metadata=merged | metadata)
    with pytest.raises(UserError, match=reason) as caught:
        load_start(tmp_path / "t")
    assert str(caught.value).startswith(f"checkpoint {tmp_path}/t: ")


def test_other_programs_find_their_way_in_a_compact_file(tmp_path):
    mask = torch.tensor([[True, False], [True, True]])
    state = {"w": torch.tensor([[1.0, 0.0], [2.0, 3.0]]), "b": torch.ones(1)}
    (tmp_path / "t").write_bytes(save_state(state, {"w": mask}))
    stored = load_file(tmp_path / "t")
    assert stored["kept/w"].tolist() == [1.0, 2.0, 3.0]
    assert stored["whole/b"].tolist() == [1.0]
    assert stored["mask.packed/w"].tolist() == [0b10110000]


def test_a_ticket_s_removed_weights_may_be_anything(tmp_path):
    """A ticket's weights are unmasked: its state has zeros where its file has numbers."""
    weight = torch.tensor([NAN, -0.0, 5.0])
    Ticket({"w": torch.tensor([False, True, False])}, {"w": weight}).save(tmp_path / "t")
    same(load_state(tmp_path / "t"), {"w": torch.tensor([0.0, -0.0, 0.0])})
