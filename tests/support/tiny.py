"""Arenas without a record to spare, so that every append of a venue meets the end of one.

Holds the cutting down of a state's arrays to what is used of them now. Changes nothing that decides what
happens next: a venue that is cut down before every call must lead to the same bytes as one that never is.
"""

from __future__ import annotations

from undertow.venue.state import COUNT_ACCOUNTS, USED_BY, State

PER_ACCOUNT = ("pending", "dirty", "candidates", "bankrupt")
BITS = ("worklist_bits", "debt_bits", "moved_bits")


def shrink(state: State) -> None:
    """Cut every arena down to its records in use, or to a single one."""
    for name, (counter, records) in USED_BY.items():
        _cut(state, name, max(int(state.counters[counter]), 1) * records)
    accounts = int(state.counters[COUNT_ACCOUNTS])
    for name in PER_ACCOUNT:
        _cut(state, name, accounts)
    for name in BITS:
        _cut(state, name, (accounts + 63) // 64)


def _cut(state: State, name: str, length: int) -> None:
    state.bind(name, getattr(state, name)[:length].copy())
