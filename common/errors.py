"""Errors a user can mend: one clear line each, never a traceback.

Every other exception is a defect of the workbench and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user gave is wrong; the message is one line that says how to mend it.

    The command line prints the message on standard error and exits with status 2.
    """


class RunFailedError(Exception):
    """A run cannot go on (its loss is not a number, say); its record tells the reason.

    Other runs of the same call are not affected; the command line ends with status 1.
    """


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that looks most like ``name``, or None where none is close."""
    matches = difflib.get_close_matches(name.lower(), sorted(known), n=1, cutoff=0.5)
    return matches[0] if matches else None


def unknown_name(what: str, name: object, known: Iterable[str]) -> UserError:
    """Build the error for a name that no registry holds.

    Args:
        what: where the name stood, such as ``find.name`` or ``model``.
        name: what was given.
        known: the names that are allowed there.
    """
    names = sorted(known)
    guess = nearest(str(name), names)
    hint = f"; did you mean {guess!r}?" if guess else ""
    return UserError(f"{what}: unknown name {name!r}{hint} (known: {', '.join(names)})")
