"""How plots look, and how they are written so that the same figure gives the same bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.style
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from PIL import Image

COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D1F"),
    *("#882255", "#7FB032", "#5B3FA0", "#8A9BA8"),
)
"""Okabe and Ito's colours in an order of falling contrast, ochre in the place of their yellow; then
four for papers of many methods."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
DASHES: tuple[Any, ...] = ("-", "--", "-.", (0, (1, 1)), (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)))
GREY = "#666666"
DOTS_PER_INCH = 150
_NEARLY_WHITE = 250

_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9.0,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "lines.markersize": 5.5,
    "errorbar.capsize": 2.5,
    "svg.hashsalt": "results",
    "svg.fonttype": "path",
}


@dataclass(frozen=True)
class Look:
    """Colour, marker and dashes of one line."""

    colour: str
    marker: str
    dashes: Any


def looks(values: Sequence[Any], order: Sequence[Any] = ()) -> dict[Any, Look]:
    """Give every value its own look; the first twelve differ in colour, the first eight in marker.

    Values of ``order`` have the look of their position there, so that a method looks the same in
    all plots of a paper, whichever others are drawn.
    """
    places = {value: place for place, value in enumerate(order)}
    for value in values:
        places.setdefault(value, len(places))
    return {
        value: Look(
            COLOURS[place % len(COLOURS)],
            MARKERS[(place + place // len(MARKERS)) % len(MARKERS)],
            DASHES[place % len(DASHES)],
        )
        for value, place in ((value, places[value]) for value in values)
    }


def paired_looks(
    keys: Sequence[tuple[Any, ...]], orders: Sequence[Sequence[Any]] = ()
) -> dict[tuple[Any, ...], Look]:
    """Give keys that share their first value a colour and those that share the rest a marker.

    Args:
        keys: what the lines are.
        orders: for every place of a key the order of its values, see ``looks``.
    """
    first, *others = orders or ((),)
    rest = [(value,) for value in others[0]] if len(others) == 1 else ()
    colours = looks(list(dict.fromkeys(key[0] for key in keys)), first)
    markers = looks(list(dict.fromkeys(key[1:] for key in keys)), rest)
    if len(markers) == 1:
        return {key: colours[key[0]] for key in keys}
    if len(colours) == 1:
        return {key: markers[key[1:]] for key in keys}
    return {
        key: Look(colours[key[0]].colour, markers[key[1:]].marker, markers[key[1:]].dashes)
        for key in keys
    }


@contextmanager
def plot_style() -> Iterator[None]:
    """Draw with the settings of this module alone, whatever the user's own are."""
    with matplotlib.style.context(["default", _STYLE]):
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure (inches) that no global state knows of."""
    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, stem: Path) -> None:
    """Write ``<stem>.png`` and ``<stem>.svg`` without dates or versions in them.

    The PNG has a palette of 256 colours, which a plot does not exhaust: a quarter of the bytes.
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    with plot_style(), mpl.rc_context({"svg.hashsalt": stem.name}):
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
        few = picture.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        palette = np.array(few.getpalette()).reshape(-1, 3)
        palette[(palette >= _NEARLY_WHITE).all(axis=1)] = 255  # the octree darkens white
        few.putpalette(palette.flatten().tolist())
        png = stem.with_name(f"{stem.name}.png")
        few.save(png, "PNG", compress_level=9, dpi=(figure.dpi, figure.dpi))
        svg = stem.with_name(f"{stem.name}.svg")
        FigureCanvasSVG(figure).print_svg(svg, metadata={"Date": None, "Creator": None})
        figure.set_canvas(FigureCanvasAgg(figure))
