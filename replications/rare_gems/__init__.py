"""Rare Gems: Finding Lottery Tickets at Initialization (arXiv:2202.12002)."""
