"""``python -m common.tickets``: show a ticket, and make one file of a light one."""

import subprocess
import sys

import pytest
import torch

from common.launch.arguments import ROOT
from common.tickets import Ticket
from common.tickets.__main__ import main
from common.tickets.ticket import weights_file


@pytest.fixture
def light(ticket, tmp_path):
    path = tmp_path / "phase" / "ticket.safetensors"
    ticket.save_light(path, tmp_path / "weights")
    return path


def test_pack_makes_one_file_that_needs_no_other(ticket, light, tmp_path, capsys):
    out = tmp_path / "alone" / "packed.safetensors"
    assert main(["pack", str(light), str(out)]) == 0
    assert "needs no other file" in capsys.readouterr().out
    weights_file(light).unlink()
    assert [path.name for path in out.parent.iterdir()] == [out.name]
    loaded = Ticket.load(out)
    assert weights_file(out) is None and loaded.meta == ticket.meta
    assert all(torch.equal(loaded.weights[n], value) for n, value in ticket.weights.items())
    assert all(torch.equal(loaded.masks[n], mask) for n, mask in ticket.masks.items())


def test_show_prints_what_a_ticket_is(ticket, light, tmp_path, capsys):
    assert main(["show", str(light)]) == 0
    text = capsys.readouterr().out
    kept, total = sum(ticket.layer_kept().values()), sum(m.numel() for m in ticket.masks.values())
    assert f"sparsity  {ticket.sparsity():.6f}  ({kept} of {total} weights kept" in text
    assert f"weights   {weights_file(light)}" in text
    for name, density in ticket.layer_densities().items():
        (line,) = [line for line in text.splitlines() if line.strip().startswith(f"{name} ")]
        assert f"{density:.6f}" in line
    assert '  method: "test"' in text and "  seed: 3" in text
    ticket.save(tmp_path / "whole")
    assert main(["show", str(tmp_path / "whole")]) == 0
    assert "weights   in the ticket itself" in capsys.readouterr().out


def test_show_a_ticket_without_masks(ticket, tmp_path, capsys):
    Ticket({}, ticket.weights).save(tmp_path / "t")
    assert main(["show", str(tmp_path / "t")]) == 0
    assert "sparsity  0.000000  (0 of 0 weights kept" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["show", "pack"])
def test_bad_input_is_one_line_and_status_2(light, tmp_path, capsys, command):
    out = [str(tmp_path / "out")] if command == "pack" else []
    weights = weights_file(light)
    weights.unlink()
    for path, reason in [(tmp_path / "absent", "no such file"), (light, weights.name)]:
        assert main([command, str(path), *out]) == 2
        error = capsys.readouterr().err
        assert reason in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_written_is_one_line_and_status_2(light, tmp_path, capsys):
    (tmp_path / "folder").mkdir()
    for out in (tmp_path / "folder", light / "below"):
        assert main(["pack", str(light), str(out)]) == 2
        error = capsys.readouterr().err
        assert "cannot be written" in error and error.count("\n") == 1
    assert list((tmp_path / "folder").iterdir()) == []


def test_it_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "common.tickets", "show", "nothing.safetensors"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == "ticket nothing.safetensors: no such file\n"
