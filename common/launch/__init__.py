"""The command line every ``run.py`` shares, and the processes behind it."""

from common.launch.cli import main

__all__ = ["main"]
