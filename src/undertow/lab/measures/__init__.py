"""Named measures: one number each, taken from a tape, with the query that gives it.

Importing this package registers them all. A fact's query names one; so do the key outcomes of a run.
"""

from undertow.lab.measures import collateral, flow, gaps, leverage, liquidity, losses, prices, several, stages
from undertow.lab.measures.registry import Measured, Measurement, measure_names, measured, query_faults

__all__ = [
    "Measured",
    "Measurement",
    "collateral",
    "flow",
    "gaps",
    "leverage",
    "liquidity",
    "losses",
    "measure_names",
    "measured",
    "prices",
    "query_faults",
    "several",
    "stages",
]
