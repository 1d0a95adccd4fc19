"""Mechanisms taken away by name: the overrides that a case keeps under the name, beside other overrides.

Holds the looking up. Invariant: what comes out are overrides as a command line would give them, so a run made
with a name is the run made with those overrides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from undertow.case.load import load_case
from undertow.case.overrides import as_text, typed
from undertow.errors import CommandLineError


def without(case: str | Path, names: Sequence[str], settings: Mapping[str, str]) -> dict[str, str]:
    """Overrides with those of the case's mechanisms added; CommandLineError for a name it does not have.

    Two that want another value in the same place, or one of which changes a part of the other's, are refused:
    which one holds would depend on their order.
    """
    known = load_case(case).mechanisms
    changes, giver = dict(settings), dict.fromkeys(settings, "--set")
    for name in names:
        if name not in known:
            has = f"it has {', '.join(known)}" if known else "it has none; use --set"
            raise CommandLineError(f"--without {name}: {case} has no such mechanism; {has}")
        for key, value in known[name].set.items():
            text = as_text(value)
            other = next((one for one in changes if _meet(one, key)), None)
            if other is not None and (other != key or typed(changes[key]) != typed(text)):
                place = "" if other == key else f"{other} "
                wrong = f"--without {name} sets {key} to {text}, {giver[other]} {place}to {changes[other]}"
                raise CommandLineError(f"{wrong}; leave one of the two out")
            changes.setdefault(key, text)
            giver.setdefault(key, f"--without {name}")
    return changes


def _meet(one: str, other: str) -> bool:
    """Whether two dotted keys are the same place, or one lies inside the other."""
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")
