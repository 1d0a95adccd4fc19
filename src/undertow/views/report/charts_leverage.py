"""The pictures of leverage: what is forced at which price, and leverage as shown and through every layer.

Holds no query. Units: per cent of the outside price across, falling; dollars up. Colours as in `charts`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, HoverTool, NumeralTickFormatter, Range1d
from bokeh.plotting import figure

from undertow.views.report.charts import (
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    Mark,
    plain_axes,
)
from undertow.views.report.leverage import Ladder, Leverage

_COLOURS = (VERMILLION, ORANGE, SKY, BLUE, GREEN, PURPLE)
SHOWN = Mark("shown", "as contracts show it", SKY, "block")
EFFECTIVE = Mark("effective", "through every layer", VERMILLION, "block")


def ladder_marks(ladder: Ladder) -> list[Mark]:
    """The products of a ladder, the one that is forced first in front."""
    first = {name: int(np.flatnonzero(rungs)[0]) for name, rungs in ladder.products.items()}
    names = sorted(first, key=lambda name: (first[name], name))
    return [
        Mark(f"product_{place}", name, _COLOURS[place % len(_COLOURS)], "block")
        for place, name in enumerate(names)
    ]


def ladder_chart(ladder: Ladder) -> Any:
    """Dollars liquidated once the asset prints a price: each bar holds those of all higher prices."""
    marks = ladder_marks(ladder)
    columns: dict[str, Any] = {mark.column: np.cumsum(ladder.products[mark.name]) for mark in marks}
    columns["percent"] = np.array(ladder.levels, np.float64)
    columns["price"] = columns["percent"] / 100.0
    columns["sum"] = np.cumsum(ladder.forced)
    plot = _figure(320, x_range=Range1d(start=1.005, end=ladder.levels[-1] / 100.0 - 0.005))
    plot.vbar_stack(
        [mark.column for mark in marks],
        x="price",
        width=0.0085,
        source=ColumnDataSource(columns),
        color=[mark.colour for mark in marks],
        line_color=None,
    )
    plot.xaxis.formatter = NumeralTickFormatter(format="0.00")
    rows = [(mark.name, f"@{mark.column}{{$0,0.0a}}") for mark in marks]
    hover = HoverTool(
        tooltips=[("price over outside", "@price{0.00}"), *rows, ("together", "@sum{$0,0.0a}")], mode="vline"
    )
    plot.add_tools(hover)
    return plot


def classes_chart(leverage: Leverage) -> Any:
    """Equity by class of leverage, as contracts show it beside what it is."""
    places = np.arange(len(leverage.classes), dtype=np.float64)
    source = ColumnDataSource(
        {
            "class": leverage.classes,
            "left": places - 0.2,
            "right": places + 0.2,
            "shown": leverage.shown,
            "effective": leverage.effective,
        }
    )
    plot = _figure(240, x_range=Range1d(start=-0.6, end=len(places) - 0.4))
    for mark, where in ((SHOWN, "left"), (EFFECTIVE, "right")):
        plot.vbar(x=where, top=mark.column, width=0.36, source=source, color=mark.colour, line_color=None)
    plot.xaxis.ticker = list(range(len(places)))
    plot.xaxis.major_label_overrides = dict(enumerate(leverage.classes))
    rows = [("leverage", "@class")]
    rows += [(mark.name, f"@{mark.column}{{$0,0.0a}}") for mark in (SHOWN, EFFECTIVE)]
    plot.add_tools(HoverTool(tooltips=rows, mode="vline"))
    return plot


def _figure(height: int, **options: Any) -> Any:
    plot: Any = figure(
        height=height,
        sizing_mode="stretch_width",
        tools=[],
        toolbar_location=None,
        outline_line_color=None,
        min_border_left=66,
        min_border_top=10,
        min_border_right=8,
        **options,
    )
    plot.y_range.start = 0
    plot.yaxis.formatter = NumeralTickFormatter(format="$0,0.[0]a")
    plain_axes(plot)
    return plot
