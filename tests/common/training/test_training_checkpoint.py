"""Checkpoints: damage is seen, the one before is used, and no file is ever half there."""

import os

import pytest
import torch

from common.training import CheckpointStore, write_atomically

TENSORS = {"model/w": torch.arange(100.0), "optimizer/0/momentum_buffer": torch.ones(3, 4)}


def stored(directory):
    """Return a store that holds a checkpoint of epoch 1 and, before it, of epoch 0."""
    store = CheckpointStore(directory)
    for epoch in (0, 1):
        tensors = {name: value + epoch for name, value in TENSORS.items()}
        store.save(tensors, {"history": [{"epoch": epoch}]})
    return store


def epoch_of(checkpoint):
    return checkpoint.values["history"][-1]["epoch"]


def test_what_is_saved_is_loaded(tmp_path):
    found = stored(tmp_path).load()
    assert found.values == {"history": [{"epoch": 1}]}
    assert set(found.tensors) == set(TENSORS)
    assert all(torch.equal(found.tensors[name], TENSORS[name] + 1) for name in TENSORS)


def test_floats_come_back_with_all_their_digits(tmp_path):
    loss = 0.1 + 0.2
    store = CheckpointStore(tmp_path)
    store.save({}, {"history": [{"loss": loss}]})
    assert store.load().values["history"][0]["loss"] == loss


def test_memory_layout_does_not_matter(tmp_path):
    value = torch.arange(24.0).view(1, 2, 3, 4).to(memory_format=torch.channels_last)
    store = CheckpointStore(tmp_path)
    store.save({"model/w": value}, {})
    assert torch.equal(store.load().tensors["model/w"], value)


def test_nothing_saved_nothing_found(tmp_path):
    assert CheckpointStore(tmp_path).load() is None


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_truncated_checkpoint_gives_way_to_the_one_before(tmp_path, share):
    store = stored(tmp_path)
    content = store.current.read_bytes()
    store.current.write_bytes(content[: int(len(content) * share)])
    assert epoch_of(store.load()) == 0


@pytest.mark.parametrize("share", [0.0, 0.02, 0.1, 0.5, 0.9999])
def test_a_single_flipped_bit_is_seen(tmp_path, share):
    store = stored(tmp_path)
    content = bytearray(store.current.read_bytes())
    content[int(len(content) * share)] ^= 1
    store.current.write_bytes(content)
    assert epoch_of(store.load()) == 0


def test_bytes_added_at_the_end_are_seen(tmp_path):
    store = stored(tmp_path)
    store.current.write_bytes(store.current.read_bytes() + b"\0")
    assert epoch_of(store.load()) == 0


def test_a_kill_between_the_two_renames_of_a_save_leaves_the_one_before(tmp_path):
    store = stored(tmp_path)
    store.current.replace(store.previous)
    assert epoch_of(store.load()) == 1


def test_two_broken_checkpoints_are_none(tmp_path):
    store = stored(tmp_path)
    for path in (store.current, store.previous):
        path.write_bytes(path.read_bytes()[:-1])
    assert store.load() is None


def test_only_the_two_newest_are_kept_and_clear_removes_them(tmp_path):
    store = stored(tmp_path)
    store.save(TENSORS, {})
    assert len(list(tmp_path.iterdir())) == 2
    store.clear()
    assert list(tmp_path.iterdir()) == []
    store.clear()


def test_an_atomic_write_makes_folders_and_leaves_one_file(tmp_path):
    path = tmp_path / "a" / "b" / "file"
    write_atomically(path, b"old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_content_and_no_partial_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(_):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new content")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_save_after_a_broken_checkpoint_keeps_the_good_one(tmp_path):
    """Broken files are dropped when they are found, so none of them becomes the previous one."""
    store = stored(tmp_path)
    store.current.write_bytes(store.current.read_bytes()[:-1])
    good = store.load()
    store.save({"weight": torch.zeros(1)}, {"epoch": 99})
    store.current.unlink()
    assert epoch_of(store.load()) == epoch_of(good)
