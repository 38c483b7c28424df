"""Plots as parts of a page: small pictures in the text of the page itself."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from common.results.report.data import PaperReport
from common.results.spec import REPORTED, Paper


@dataclass(frozen=True)
class Figure:
    """One plot: its picture as an address that holds it, its size in pixels and its words."""

    address: str
    width: int
    height: int
    title: str
    protocol: str
    alt: str
    file: str


def figures(report: PaperReport) -> list[Figure]:
    """Return the plots of a paper."""
    protocols = list(report.claims)
    return [_figure(report.paper, path, protocols) for path in report.plots]


def _figure(paper: Paper, path: Path, protocols: Sequence[str]) -> Figure:
    """Return one plot."""
    title, protocol = _words(paper, path.stem, protocols)
    with Image.open(path) as picture:
        width, height = picture.size
    whose = "the numbers that the paper reports" if protocol == REPORTED else "our runs"
    kind = "" if protocol == REPORTED else f", protocol {protocol}"
    alt = f"Plot: {title}; {whose}{kind}. The tables hold the numbers."
    address = f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"
    return Figure(address, width, height, title, protocol, alt, f"{path.stem}.png")


def _words(paper: Paper, stem: str, protocols: Sequence[str]) -> tuple[str, str]:
    """Return the title and the protocol of the plot in a file ``<name>_<protocol>``."""
    for plot in sorted(paper.plots, key=lambda plot: -len(plot.name)):
        protocol = stem.removeprefix(f"{plot.name}_")
        if protocol != stem and protocol in (*protocols, REPORTED):
            return plot.title, protocol
    return stem.replace("_", " "), ""
