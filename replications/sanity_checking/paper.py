"""tmp."""

from common.results.spec import Paper

PAPER = Paper("sanity_checking", "x")
