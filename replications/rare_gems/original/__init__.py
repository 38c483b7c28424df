"""Translates a config of the original program into configs of this project.

    python -m replications.rare_gems.original conf.yml --out configs/mine.json

Every argument of the original is in the table of ``arguments``: translated, left out with a note,
or refused with a reason. What comes out has been parsed as any config is.
"""

from replications.rare_gems.original.arguments import ARGUMENTS, Argument
from replications.rare_gems.original.flags import flag_map, map_table
from replications.rare_gems.original.text import read_flat
from replications.rare_gems.original.translate import Translation, translate

__all__ = [
    "ARGUMENTS",
    "Argument",
    "Translation",
    "flag_map",
    "map_table",
    "read_flat",
    "translate",
]
