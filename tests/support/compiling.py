"""Compiling what most tests call, by playing a little of everything: every preset, and a short crowded run.

Holds no list of kernels: what is played compiles what it needs. A second call finds it compiled.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numba

from support.stream import SEED, hashes
from tidy_rules import ROOT
from undertow.lab.run import run_case
from undertow.rulebook.load import preset_names

CASE = ROOT / "docs/how-to/small-crash.toml"
SHORT = {"end": "2025-01-01T12:02:10Z", "accounts": 150}


def compile_kernels() -> None:
    """Play, unless kernels are run as plain Python."""
    if numba.config.DISABLE_JIT:
        return
    for preset in preset_names():
        hashes(preset, SEED)
    with TemporaryDirectory() as folder:
        run_case(CASE, SHORT, out=Path(folder))
