"""Every finder of the five papers as section ``find`` of a config, at any scale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from replications.cross_paper.scales import Config, Scale

DRAWN, CONSTANT = "kaiming_normal", "signed_constant"
"""First weights: of networks whose weights are trained, and of those whose mask is searched."""


@dataclass(frozen=True)
class CrossFinder:
    """One finder of the grid.

    Attributes:
        label: how tables and plots call it.
        family: ``initial`` (nothing is trained), ``trained`` (a trained network is pruned, once or
            in rounds) or ``learned`` (a mask is searched among frozen weights).
        papers: the replications that have it.
        find: makes section ``find``, without the sparsity.
        own_sparsity: it finds its own sparsity and cannot be given one.
    """

    label: str
    family: str
    papers: tuple[str, ...]
    find: Callable[[Scale], Config]
    own_sparsity: bool = False

    @property
    def init(self) -> str:
        """Return the scheme of the first weights."""
        return CONSTANT if self.family == "learned" else DRAWN


SANITY, ASLP, GEMS = "sanity_checking", "aslp", "rare_gems"
TOST, MORCOS = "tost", "generalizing_tickets"


def _plain(name: str, **options: object) -> Callable[[Scale], Config]:
    return lambda scale: {"name": name, **options}


def _trained(name: str, **options: object) -> Callable[[Scale], Config]:
    """Return what prunes the network that the plain recipe trained."""
    return lambda scale: {"name": name, "pretrain": scale.train, **options}


def _rewound(scale: Scale) -> Config:
    return _trained("magnitude", rewinding="weights", rewind_epoch=scale.rewind_epoch)(scale)


def _rounds(name: str, **options: object) -> Callable[[Scale], Config]:
    """Return what prunes in rounds, each of which the plain recipe trains."""
    return lambda scale: {
        "name": name,
        "fraction_per_round": scale.per_round,
        "train": scale.train,
        **options,
    }


def _late(scale: Scale) -> Config:
    rewind = {"to": "epoch", "epoch": scale.rewind_epoch, "scope": "all"}
    return _rounds("imp", rewind=rewind)(scale)


def _searched(name: str, **options: object) -> Callable[[Scale], Config]:
    """Return what searches for a mask among frozen weights."""
    return lambda scale: {
        "name": name,
        **scale.searched.get(name, {}),
        **options,
        "search": scale.search | scale.searches[name],
    }


FINDERS: dict[str, CrossFinder] = {
    "random": CrossFinder("random", "initial", (ASLP, TOST), _plain("random")),
    "random_ticket": CrossFinder(
        "random ticket (smart ratio)", "initial", (SANITY,), _plain("random_ticket")
    ),
    "smart_ratio": CrossFinder(
        "smart ratio (Rare Gems)", "initial", (GEMS,), _plain("smart_ratio")
    ),
    "snip": CrossFinder("SNIP", "initial", (SANITY, GEMS, TOST, MORCOS), _plain("snip")),
    "grasp": CrossFinder("GraSP", "initial", (SANITY, GEMS, TOST), _plain("grasp")),
    "synflow": CrossFinder(
        "SynFlow",
        "initial",
        (GEMS, TOST),
        lambda scale: {"name": "synflow", "rounds": scale.synflow_rounds},
    ),
    "iterative_snip": CrossFinder(
        "iterative SNIP",
        "trained",
        (MORCOS,),
        lambda scale: _rounds("iterative_snip", batch_size=scale.snip_images)(scale),
    ),
    "magnitude": CrossFinder(
        "one-shot magnitude", "trained", (TOST,), _trained("magnitude", rewinding="init")
    ),
    "lt": CrossFinder("one-shot magnitude of convs (LT)", "trained", (SANITY,), _trained("lt")),
    "oneshot_magnitude": CrossFinder(
        "one-shot magnitude, norms too",
        "trained",
        (MORCOS,),
        lambda scale: {"name": "oneshot_magnitude", "train": scale.train},
    ),
    "weight_rewinding": CrossFinder("weight rewinding", "trained", (SANITY,), _rewound),
    "learning_rate_rewinding": CrossFinder(
        "learning-rate rewinding",
        "trained",
        (SANITY,),
        _trained("magnitude", rewinding="learning_rate"),
    ),
    "hybrid": CrossFinder(
        "hybrid ticket", "trained", (SANITY,), _trained("hybrid", rewinding="learning_rate")
    ),
    "taylor": CrossFinder("Taylor", "trained", (TOST,), _trained("taylor", rewinding="init")),
    "gmp": CrossFinder(
        "gradual magnitude",
        "trained",
        (TOST,),
        lambda scale: {"name": "gmp", "every": scale.gradual_every, "train": scale.train},
    ),
    "imp": CrossFinder(
        "IMP", "trained", (GEMS, TOST), _rounds("imp", rewind={"to": "init", "scope": "all"})
    ),
    "imp_late": CrossFinder("IMP, late resetting", "trained", (GEMS, MORCOS), _late),
    "lrr": CrossFinder(
        "IMP, learning-rate rewinding",
        "trained",
        (GEMS,),
        _rounds("imp", rewind={"to": "none"}),
    ),
    "lth_local": CrossFinder(
        "LTH in each tensor", "trained", (TOST,), _rounds("lth_local", first_lr=None)
    ),
    "edge_popup": CrossFinder("edge-popup", "learned", (ASLP, GEMS), _searched("edge_popup")),
    "gem_miner": CrossFinder("Gem-Miner", "learned", (GEMS,), _searched("gem_miner")),
    "hypercube": CrossFinder(
        "hypercube", "learned", (GEMS,), _searched("hypercube"), own_sparsity=True
    ),
    "aslp": CrossFinder(
        "ASLP", "learned", (ASLP,), _searched("aslp", weight_rescale=False), own_sparsity=True
    ),
    "supermask": CrossFinder(
        "supermask",
        "learned",
        (ASLP,),
        _searched("supermask", weight_rescale=False),
        own_sparsity=True,
    ),
}
"""By the name that records call ``method``, in the order of tables and plots."""

NOT_IN_THE_GRID = {
    "dense": "it removes nothing",
    "ticket_file": "it reads a ticket that another run found",
}
"""Finders of the papers that have no place in the grid, and why.

Options of a finder are no finders of their own: random masks by other layer budgets, edge-popup
over the whole network, inverted scores, Gem-Miner's and the smart ratio's variants.
"""
