"""``python -m common.tickets``: what a ticket holds, and one file from a light one."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from common.errors import UserError
from common.tickets.ticket import Ticket, weights_file


def show(path: Path) -> str:
    """Return a ticket's sparsity, layer densities, provenance and where its weights are."""
    ticket = Ticket.load(path)
    kept, densities = ticket.layer_kept(), ticket.layer_densities()
    sizes = {name: mask.numel() for name, mask in ticket.masks.items()}
    weights = weights_file(path)
    rest = sum(value.numel() for name, value in ticket.weights.items() if name not in sizes)
    lines = [
        f"{path}",
        f"sparsity  {ticket.sparsity():.6f}  "
        f"({sum(kept.values())} of {sum(sizes.values())} weights kept; {rest} without a mask)",
        f"weights   {'in the ticket itself' if weights is None else weights}",
        "density by layer",
    ]
    width = max(map(len, sizes), default=0)
    lines += [
        f"  {name:<{width}}  {densities[name]:.6f}  {kept[name]} of {size}"
        for name, size in sizes.items()
    ]
    lines.append("provenance")
    # The two that are shown above, and in more words.
    told = {k: v for k, v in ticket.meta.items() if k not in ("sparsity", "layer_densities")}
    lines += [f"  {key}: {json.dumps(value, sort_keys=True)}" for key, value in told.items()]
    return "\n".join(lines)


def pack(path: Path, out: Path) -> str:
    """Write a ticket with everything it needs to one file."""
    ticket = Ticket.load(path)
    try:
        ticket.save(out)
    except OSError as error:
        raise UserError(f"{out}: cannot be written ({error.strerror})") from None
    return f"{out}: {out.stat().st_size} bytes, needs no other file"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, or 2 with one line on standard error for bad input."""
    parser = argparse.ArgumentParser(prog="python -m common.tickets", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="show | pack")
    words = "print sparsity, layer densities, provenance, where the weights are"
    shower = commands.add_parser("show", help=words, description=words)
    shower.add_argument("ticket", type=Path)
    words = "write a ticket and its weights to one file that needs no other"
    packer = commands.add_parser("pack", help=words, description=words)
    packer.add_argument("ticket", type=Path)
    packer.add_argument("out", type=Path)
    options = parser.parse_args(arguments)
    try:
        if options.command == "show":
            print(show(options.ticket))
        else:
            print(pack(options.ticket, options.out))
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
