"""A ticket file of any origin can be a run's ticket."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from common.errors import UserError
from common.finders import find_ticket
from common.models import build_model
from common.tickets import Ticket
from common.tickets.states import save_state
from common.tickets.ticket import weights_file

FILE = "ticket.safetensors"


@pytest.fixture
def network():
    return build_model("small_cnn", num_classes=10, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def ticket(network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = find_ticket("random", network, sparsity=0.8)
    made.save(FILE)
    return made


def other(seed):
    return build_model("small_cnn", num_classes=10, generator=torch.Generator().manual_seed(seed))


def test_it_comes_with_its_masks_and_weights(ticket):
    found = find_ticket("ticket_file", other(2), path=FILE)
    assert all(torch.equal(found.masks[name], mask) for name, mask in ticket.masks.items())
    assert all(torch.equal(found.weights[name], value) for name, value in ticket.weights.items())


def test_its_masks_can_be_put_on_other_weights(ticket):
    model = other(2)
    start = {name: value.clone() for name, value in model.state_dict().items()}
    found = find_ticket("ticket_file", model, path=FILE, weights="initial")
    assert all(torch.equal(found.masks[name], mask) for name, mask in ticket.masks.items())
    assert all(torch.equal(found.weights[name], value) for name, value in start.items())


def test_the_content_and_not_the_name_decides_what_a_run_is(ticket):
    first = find_ticket("ticket_file", other(2), path=FILE).meta["finder"]["sha256"]
    find_ticket("random", other(2), sparsity=0.5).save(FILE)
    second = find_ticket("ticket_file", other(2), path=FILE).meta["finder"]["sha256"]
    assert first != second
    with pytest.raises(UserError, match=r"find\.sha256: ticket\.safetensors has another content"):
        find_ticket("ticket_file", other(2), path=FILE, sha256=first)


def test_a_light_ticket_s_hash_covers_its_weights(ticket):
    ticket.save_light(FILE)
    found = find_ticket("ticket_file", other(2), path=FILE)
    assert all(torch.equal(found.weights[name], value) for name, value in ticket.weights.items())
    first = found.meta["finder"]["sha256"]
    weights = weights_file(FILE)
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(UserError, match=rf"its weights file {weights.name} is damaged"):
        find_ticket("ticket_file", other(2), path=FILE, sha256=first)
    name = next(iter(ticket.masks))
    changed = {**ticket.weights, name: ticket.weights[name] + 1}
    Ticket(ticket.masks, changed, ticket.meta).save_light(FILE)
    with pytest.raises(UserError, match="has another content"):
        find_ticket("ticket_file", other(2), path=FILE, sha256=first)


@pytest.mark.parametrize("name", ["state.pt", "state.safetensors"])
def test_a_dense_checkpoint_is_a_ticket_without_masks(ticket, name):
    if name.endswith(".pt"):
        torch.save(ticket.weights, name)
    else:
        save_file(ticket.weights, name)
    model = other(2)
    found = find_ticket("ticket_file", model, path=name)
    assert found.masks == {} and found.sparsity() == 0.0
    assert all(torch.equal(value, ticket.weights[key]) for key, value in found.weights.items())
    assert all(torch.equal(value, ticket.weights[key]) for key, value in model.state_dict().items())
    with pytest.raises(UserError, match=r"find\.weights: .* holds no masks"):
        find_ticket("ticket_file", other(2), path=name, weights="initial")


def test_a_compact_checkpoint_brings_its_masks(ticket, network):
    ticket.apply_to(network)
    Path("state").write_bytes(save_state(network.state_dict(), ticket.masks))
    found = find_ticket("ticket_file", other(2), path="state")
    assert all(torch.equal(found.masks[name], mask) for name, mask in ticket.masks.items())
    trained = network.state_dict()
    assert all(torch.equal(value, trained[name]) for name, value in found.weights.items())


def test_a_missing_file_is_one_clear_line(ticket):
    with pytest.raises(UserError, match=r"no such file: nothing\.safetensors"):
        find_ticket("ticket_file", other(2), path="nothing.safetensors")


def test_a_ticket_of_another_network_is_refused(ticket):
    model = build_model("conv2", num_classes=10, width_mult=0.1)
    with pytest.raises(UserError, match="not in the ticket"):
        find_ticket("ticket_file", model, path=FILE)


def test_its_sparsity_cannot_be_asked_for(ticket):
    with pytest.raises(UserError, match="sparsity"):
        find_ticket("ticket_file", other(2), path=FILE, sparsity=0.5)


def test_the_file_that_is_read_stays_a_ticket(ticket):
    assert Ticket.load(FILE).sparsity() == pytest.approx(0.8, abs=1e-3)
