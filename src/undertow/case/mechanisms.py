"""Mechanisms taken away by name: the overrides that a case keeps under the name, beside other overrides.

Holds the looking up. Invariant: what comes out are overrides as a command line would give them, so a run made
with a name is the run made with those overrides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from undertow.case.load import load_case
from undertow.case.overrides import as_text
from undertow.errors import CommandLineError


def without(case: str | Path, names: Sequence[str], settings: Mapping[str, str]) -> dict[str, str]:
    """Overrides with those of the case's mechanisms added; CommandLineError for a name it does not have.

    Two that want another value in the same place are refused: which one holds would depend on their order.
    """
    known = load_case(case).mechanisms
    changes, giver = dict(settings), dict.fromkeys(settings, "--set")
    for name in names:
        if name not in known:
            has = f"it has {', '.join(known)}" if known else "it has none; use --set"
            raise CommandLineError(f"--without {name}: {case} has no such mechanism; {has}")
        for key, value in known[name].set.items():
            text = as_text(value)
            if changes.setdefault(key, text) != text:
                wrong = f"--without {name} sets {key} to {text}, {giver[key]} to {changes[key]}"
                raise CommandLineError(f"{wrong}; leave one of the two out")
            giver.setdefault(key, f"--without {name}")
    return changes
