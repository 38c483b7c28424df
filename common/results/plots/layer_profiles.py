"""Which layer densities a plot shows: those of our tickets, and reported ones layer by layer."""

from __future__ import annotations

import math

import pandas as pd

from common.results.plots.beside import beside_rows
from common.results.plots.layout import Request
from common.results.reported import snap
from common.results.spec import LayerDensities

_LAYER = r"^(?P<variant>.*?)[ _]?layer_(?P<layer>\d+)$"
_NAMES = ("experiment", "method", "variant", "dataset", "architecture")


def with_densities(runs: pd.DataFrame, plot: LayerDensities, tolerance: float) -> pd.DataFrame:
    """Return the runs with a ticket whose layer densities the plot shows.

    ``tolerance`` is that of :attr:`common.results.spec.Paper.sparsity_tolerance`.
    """
    runs = runs[runs["layer_densities"].map(bool).astype(bool)]
    if plot.targets:
        near = runs["sparsity"].isna()
        for target in plot.targets:
            near |= (runs["sparsity"] - target).abs() <= tolerance * (1 - target) + 1e-6
        runs = runs[near]
    return runs[runs["method"] != "dense"]


def reported_profiles(request: Request, plot: LayerDensities) -> pd.DataFrame:
    """Return one row a reported curve: its names, sparsity, and fraction kept by layer number.

    Of each curve the sparsity nearest to the plot's is taken, or the highest.
    """
    rows = beside_rows(request, plot.reported_metric, rename=False)
    found = rows["variant"].str.extract(_LAYER)
    rows = rows.assign(layer=pd.to_numeric(found["layer"]), variant=found["variant"])
    beside = plot.beside.becomes if plot.beside is not None else {}
    rows = rows[rows["layer"].notna()].assign(**beside)
    names = [name for name in (*_NAMES, *plot.lines, *plot.panels) if name in rows.columns]
    names = [*dict.fromkeys(name for name in names if name != "sparsity"), "label"]
    profiles = [
        {
            **dict(zip([*names, "sparsity"], key, strict=True)),
            "layer_densities": dict(
                zip(part["layer"].astype(int), part["value"] / 100, strict=True)
            ),
        }
        for key, part in rows.sort_values("layer").groupby([*names, "sparsity"], dropna=False)
    ]
    table = pd.DataFrame(profiles, columns=[*names, "sparsity", "layer_densities"])
    if not len(table):
        return table
    target = plot.targets[0] if plot.targets else math.inf
    distance = (1 - table["sparsity"] if target == math.inf else
                (table["sparsity"] - target).abs()).fillna(0)  # fmt: skip
    nearest = distance.groupby([table[name] for name in names], dropna=False).transform("min")
    return table[distance <= nearest + 1e-9]


def at_target(request: Request, profiles: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Return the reported curves whose sparsity is a target of the runs."""
    targets = runs["sparsity"].dropna().unique()
    at_ours = snap(profiles, targets, request.paper.sparsity_tolerance)
    return profiles[at_ours["sparsity"].isin(targets)] if len(targets) else profiles
