"""The paper's claims (spec 1) as comparisons of runs, at its own scale and at reduced scale.

The paper has three trials of its own method and one of every other: a comparison with those stays
inconclusive until they run with more seeds. What a search costs beside iterative pruning has no
reduced version: the reduced rounds of pruning are too short to be compared.
"""

from __future__ import annotations

from replications.rare_gems.claims_search import SEARCHES
from replications.rare_gems.claims_tickets import TICKETS

CLAIMS = (*TICKETS, *SEARCHES)
