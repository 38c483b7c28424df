"""From the text of an option to its value; what is wrong ends in one line."""

from __future__ import annotations

import argparse


def percent(text: str) -> float:
    """Read a percentage from 0 to below 100."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 100:
        raise argparse.ArgumentTypeError(
            f"must be a percentage from 0 to below 100, found {text!r}"
        )
    return value


def positive(text: str) -> int:
    """Read an integer above 0."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be an integer above 0, found {text!r}")
    return int(text)


def whole(text: str) -> int:
    """Read an integer, 0 or more."""
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"must be an integer, 0 or more, found {text!r}")
    return int(text)


def later_epoch(text: str) -> int:
    """Read an epoch behind the first one."""
    if not text.isdigit() or int(text) < 2:
        raise argparse.ArgumentTypeError(f"must be an epoch, 2 or more, found {text!r}")
    return int(text)


def is_random(text: str) -> bool:
    """Read the original's switch: any text but "false" is on."""
    return text.lower() != "false"


def wandb_mode(text: str) -> str:
    """Read a mode of wandb, or True or False."""
    modes = {"true": "online", "false": "disabled"}
    mode = modes.get(text.lower(), text.lower())
    if mode not in ("disabled", "offline", "online"):
        raise argparse.ArgumentTypeError(
            f"must be True, False, online, offline or disabled, found {text!r}"
        )
    return mode
