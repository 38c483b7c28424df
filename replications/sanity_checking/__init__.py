"""Sanity-Checking Pruning Methods: Random Tickets can Win the Jackpot (arXiv:2009.11094)."""
