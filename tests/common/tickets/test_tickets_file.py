"""A ticket survives its file bit for bit, and no broken file is taken for a ticket."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from common.errors import UserError
from common.tickets import Ticket
from common.tickets import ticket as ticket_module

META = {
    "format": "lottery-ticket",
    "format_version": "1",
    "mask_shapes": '{"w": [2, 3]}',
    "meta": '{"by": "hand"}',
}
WEIGHT = torch.arange(6.0).view(2, 3)


def write(path, tensors, **metadata):
    """Write a file as another program might; None removes a key of the metadata."""
    merged = {key: value for key, value in {**META, **metadata}.items() if value is not None}
    save_file(tensors, path, metadata=merged)
    return path


def same_bits(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.view(-1).tolist() == b.view(-1).tolist()


def test_a_ticket_comes_back_bit_for_bit(ticket, tmp_path):
    path = tmp_path / "deep" / "folder" / "ticket.safetensors"
    ticket.save(path)
    loaded = Ticket.load(path)
    assert list(loaded.masks) == list(ticket.masks)
    assert set(loaded.weights) == set(ticket.weights)
    assert all(torch.equal(loaded.masks[name], mask) for name, mask in ticket.masks.items())
    for name, weight in ticket.weights.items():
        assert same_bits(loaded.weights[name], weight), name
    assert loaded.meta == ticket.meta
    assert loaded.weights["bn1.num_batches_tracked"].shape == ()
    assert loaded.weights["bn1.num_batches_tracked"] == 1
    assert loaded.report() == ticket.report()


def test_strange_values_and_memory_formats_come_back_too(tmp_path):
    tiny = torch.tensor([0.0, -0.0, float("inf"), 1e-45, float("nan"), 1.0]).view(2, 3)
    conv = torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last)
    weights = {
        "w": tiny,
        "conv": conv,
        "half": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
        "double": torch.tensor([1 / 3], dtype=torch.float64),
        "count": torch.tensor(7),
        "view": torch.arange(10.0)[::2],
        "tied": conv,
    }
    masks = {"conv": torch.rand(conv.shape) < 0.5, "w": torch.ones(2, 3, dtype=torch.bool)}
    ticket = Ticket(masks, weights)
    ticket.save(tmp_path / "t")
    loaded = Ticket.load(tmp_path / "t")
    assert torch.equal(loaded.weights["w"].view(torch.int32), tiny.view(torch.int32))
    for name in ("conv", "half", "double", "count", "view", "tied"):
        assert loaded.weights[name].dtype == weights[name].dtype
        assert torch.equal(loaded.weights[name], weights[name])
    assert torch.equal(loaded.masks["conv"], masks["conv"])
    assert list(loaded.masks) == ["conv", "w"]  # the order of the layers is part of a ticket


def test_masks_take_an_eighth_of_a_byte_each(ticket, tmp_path):
    ticket.save(tmp_path / "t")
    stored = load_file(tmp_path / "t")
    for name, mask in ticket.masks.items():
        assert stored[f"mask.packed/{name}"].numel() == (mask.numel() + 7) // 8
        assert stored[f"mask.packed/{name}"].dtype == torch.uint8


def test_packed_bits_are_in_numpy_s_order(tmp_path):
    mask = torch.tensor([[True, False, False], [True, True, False]])
    Ticket({"w": mask}, {"w": WEIGHT}).save(tmp_path / "t")
    assert load_file(tmp_path / "t")["mask.packed/w"].tolist() == [0b10011000]


def test_saving_leaves_one_file_and_replaces_an_older_ticket(ticket, tmp_path):
    path = tmp_path / "ticket.safetensors"
    path.write_bytes(b"older")
    ticket.save(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["ticket.safetensors"]
    assert Ticket.load(path).meta == ticket.meta


def test_a_failed_save_leaves_the_older_ticket_and_nothing_else(ticket, tmp_path, monkeypatch):
    path = tmp_path / "ticket.safetensors"
    ticket.save(path)
    before = path.read_bytes()

    def fail_half_way(tensors, name, metadata):
        with open(name, "wb") as file:  # noqa: PTH123
            file.write(b"half a ticket")
        raise OSError("no space left on device")

    monkeypatch.setattr(ticket_module, "save_file", fail_half_way)
    with pytest.raises(OSError, match="no space left"):
        Ticket(ticket.masks, ticket.weights, {"other": 1}).save(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["ticket.safetensors"]


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float32"])
def test_unpacked_masks_of_zeros_and_ones_are_accepted(tmp_path, dtype):
    mask = torch.tensor([[1, 0, 1], [0, 0, 1]]).to(getattr(torch, dtype))
    loaded = Ticket.load(write(tmp_path / "t", {"weight/w": WEIGHT, "mask/w": mask}))
    assert loaded.masks["w"].tolist() == [[True, False, True], [False, False, True]]
    assert loaded.masks["w"].dtype == torch.bool
    assert loaded.meta == {"by": "hand"}


@pytest.mark.parametrize("value", [0.5, 2.0, -1.0, float("nan")])
def test_a_mask_with_other_values_is_refused(tmp_path, value):
    mask = torch.ones(2, 3)
    mask[1, 1] = value
    path = write(tmp_path / "t", {"weight/w": WEIGHT, "mask/w": mask})
    with pytest.raises(UserError, match="mask w: holds values other than 0 and 1"):
        Ticket.load(path)


@pytest.mark.parametrize(
    ("tensors", "metadata", "reason"),
    [
        ({"mask/w": torch.ones(3, 2)}, {}, r"mask w: shape \[3, 2\], listed as \[2, 3\]"),
        ({}, {}, "mask w: listed but not in the file"),
        ({"mask/w": torch.ones(2, 3)}, {"mask_shapes": "{}"}, "mask w: in the file but not listed"),
        (
            {"mask/w": torch.ones(3, 2)},
            {"mask_shapes": '{"w": [3, 2]}'},
            r"ticket mask w: shape \[3, 2\] differs from its weight's \[2, 3\]",
        ),
        (
            {"mask/v": torch.ones(2, 3)},
            {"mask_shapes": '{"v": [2, 3]}'},
            "ticket mask v: the ticket holds no weight of that name",
        ),
        ({"mask.packed/w": torch.ones(2, dtype=torch.uint8)}, {}, "2 bytes do not hold 6 bits"),
        ({"mask.packed/w": torch.ones(1)}, {}, "packed as float32, must be uint8"),
        ({"mask/w": torch.ones(2, 3)}, {"mask_shapes": None}, "metadata are damaged"),
        ({"mask/w": torch.ones(2, 3)}, {"mask_shapes": "{"}, "metadata are damaged"),
        ({"mask/w": torch.ones(2, 3)}, {"mask_shapes": "[1]"}, "metadata are damaged"),
        ({"mask/w": torch.ones(2, 3)}, {"meta": "{"}, "metadata are damaged"),
        ({"mask/w": torch.ones(2, 3)}, {"format_version": "one"}, "metadata are damaged"),
        (
            {"mask/w": torch.ones(2, 3)},
            {"format_version": "3"},
            "format version 3 is newer than 2, the newest this version reads",
        ),
        ({"mask/w": torch.ones(2, 3)}, {"format": None}, "not a ticket"),
        ({"mask/w": torch.ones(2, 3)}, {"format": "pt"}, "not a ticket"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(tmp_path, tensors, metadata, reason):
    path = write(tmp_path / "t", {"weight/w": WEIGHT, **tensors}, **metadata)
    with pytest.raises(UserError, match=reason) as caught:
        Ticket.load(path)
    assert str(caught.value).startswith(f"ticket {path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("part", [0, 4, 8, 100, 0.5, 0.99])
def test_a_truncated_file_is_refused(ticket, tmp_path, part):
    path = tmp_path / "t"
    ticket.save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: part if isinstance(part, int) else int(part * len(whole))])
    with pytest.raises(UserError, match="not a readable safetensors file"):
        Ticket.load(path)


def test_what_is_no_file_or_no_safetensors_file_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"ticket .*absent: no such file"):
        Ticket.load(tmp_path / "absent")
    with pytest.raises(UserError, match="no such file"):
        Ticket.load(tmp_path)
    (tmp_path / "text").write_text("{" * 100)
    with pytest.raises(UserError, match="not a readable safetensors file"):
        Ticket.load(tmp_path / "text")
    save_file({"weight": WEIGHT}, tmp_path / "bare")
    with pytest.raises(UserError, match="not a ticket"):
        Ticket.load(tmp_path / "bare")


def test_meta_holds_json_values_only(tmp_path):
    with pytest.raises(TypeError, match="not JSON serializable"):
        Ticket({}, {"w": WEIGHT}, {"when": object()}).save(tmp_path / "t")
    assert not (tmp_path / "t").exists()
    Ticket({}, {"w": WEIGHT}, {"deep": {"list": [1, 2.5, None, "x"]}}).save(tmp_path / "t")
    assert json.dumps(Ticket.load(tmp_path / "t").meta) == '{"deep": {"list": [1, 2.5, null, "x"]}}'
