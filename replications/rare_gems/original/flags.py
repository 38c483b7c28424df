"""The map of the original's arguments, for people."""

from __future__ import annotations

from collections.abc import Iterator

from replications.rare_gems.original.arguments import ARGUMENTS


def flag_map() -> Iterator[tuple[str, str, str]]:
    """Yield the original's keys, where each goes in a config here, and what to know about it.

    Where nothing takes a key's place the second entry is a dash; the third one says why.
    """
    for key, argument in ARGUMENTS.items():
        refused = "refused: " if argument.role == "unread" else ""
        yield key, argument.ours or "-", refused + argument.note


def map_table() -> str:
    """Return the map of all keys as a Markdown table."""
    rows = ["| original | here | |", "|---|---|---|"]
    for key, ours, note in flag_map():
        # A comma separates paths; words such as "--data-root" are shown alike.
        paths = ", ".join(f"`{path.strip()}`" for path in ours.split(",")) if ours != "-" else ""
        rows.append(f"| `{key}` | {paths} | {note} |")
    return "\n".join(rows) + "\n"
