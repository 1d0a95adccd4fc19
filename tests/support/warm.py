"""Compile what most tests run, in one process, so that several workers need not compile the same at once.

`PYTHONPATH=src:tests python -m support.warm` does nothing where kernels of this source are kept already.
"""

from __future__ import annotations

from support.stream import hashes
from undertow._jit import cache_folder
from undertow.rulebook.load import preset_names

MARK = "warm"


def warm() -> None:
    """One short stream under every rulebook; remembered beside the kernels it compiled."""
    mark = cache_folder() / MARK
    if mark.exists():
        return
    for preset in preset_names():
        hashes(preset, 7)
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()


if __name__ == "__main__":
    warm()
