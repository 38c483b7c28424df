"""Generalizing Tickets: One ticket to win them all (arXiv:1906.02773), and its replication."""
