"""Plots as parts of a page: small pictures in the text of the page itself."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from common.results.report.data import PaperReport
from common.results.spec import REPORTED, Paper

COLOURS = 48
"""Enough for a dozen curves, their bands and the grey of the letters' edges."""


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
    data, (width, height) = small_png(path)
    whose = "the numbers that the paper reports" if protocol == REPORTED else "our runs"
    kind = "" if protocol == REPORTED else f", protocol {protocol}"
    alt = f"Plot: {title}; {whose}{kind}. The tables hold the numbers."
    address = f"data:image/png;base64,{base64.b64encode(data).decode('ascii')}"
    return Figure(address, width, height, title, protocol, alt, f"{path.stem}.png")


def _words(paper: Paper, stem: str, protocols: Sequence[str]) -> tuple[str, str]:
    """Return the title and the protocol of the plot in a file ``<name>_<protocol>``."""
    for plot in sorted(paper.plots, key=lambda plot: -len(plot.name)):
        protocol = stem.removeprefix(f"{plot.name}_")
        if protocol != stem and protocol in (*protocols, REPORTED):
            return plot.title, protocol
    return stem.replace("_", " "), ""


def small_png(path: Path) -> tuple[bytes, tuple[int, int]]:
    """Return a picture with few colours as PNG, and its size: a third of the bytes."""
    with Image.open(path) as picture:
        flat = Image.new("RGB", picture.size, "white")
        flat.paste(picture, mask=picture.getchannel("A") if "A" in picture.getbands() else None)
    few = flat.quantize(COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    stream = io.BytesIO()
    few.save(stream, "PNG", compress_level=6)
    return stream.getvalue(), flat.size
