"""The names that configs of this study may use: the core's and those of all five papers.

The papers do not import each other: each stands alone, with its own methods. This study is about
what lies between them, so it is the one place that imports the methods of all. It adds none.
"""

from __future__ import annotations

from common.pipeline import Methods
from replications.aslp.methods import METHODS as ASLP
from replications.generalizing_tickets.methods import METHODS as GENERALIZING_TICKETS
from replications.rare_gems.methods import METHODS as RARE_GEMS
from replications.sanity_checking.methods import METHODS as SANITY_CHECKING
from replications.tost.methods import METHODS as TOST

PAPERS = {
    "sanity_checking": SANITY_CHECKING,
    "aslp": ASLP,
    "rare_gems": RARE_GEMS,
    "tost": TOST,
    "generalizing_tickets": GENERALIZING_TICKETS,
}


def merged(papers: dict[str, Methods]) -> Methods:
    """Return all methods of the papers.

    Raises:
        ValueError: two papers give one name to different methods.
    """
    whole = Methods()
    for paper, methods in papers.items():
        for known, new in (
            (whole.finders, methods.finders),
            (whole.transforms, methods.transforms),
        ):
            for name in known.keys() & new.keys():
                if known[name] != new[name]:
                    raise ValueError(f"{paper}: {name!r} is another paper's method, too")
        whole = whole.extended(methods.finders, methods.transforms)
    return whole


METHODS = merged(PAPERS)
