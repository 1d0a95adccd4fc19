"""One small crash on two processors: the same venue, crowd and tape, whatever instructions there are.

The other processor is this one with NumPy's faster instruction sets switched off and no compiler at all, so
every kernel runs as the plain source it is written in. The nightly suite also compiles for a generic one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tidy_rules import ROOT

CASE = ROOT / "docs/how-to/small-crash.toml"
PLAIN = {"NUMBA_DISABLE_JIT": "1", "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4"}
GENERIC = {"NUMBA_CPU_NAME": "generic", "NUMBA_ENABLE_AVX": "0", "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4"}


def hashes(out: Path, switches: dict[str, str]) -> dict[str, str]:
    """State and tape hashes of the case's first twenty seconds under these settings of the processor."""
    short = ["--set", "end=2025-01-01T12:00:20Z", "--accounts", "300", "--no-report", "--quiet"]
    program = "import sys; from undertow.views.cli import main; sys.exit(main())"
    command = [sys.executable, "-W", "ignore", "-c", program, "run", str(CASE), *short, "--out", str(out)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **switches},
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads((out / "small-crash-1" / "run.json").read_text())["hashes"]
    return found


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What this processor finds, compiled for it."""
    return hashes(tmp_path_factory.mktemp("here"), {})


def test_without_compiler_and_instruction_sets(tmp_path: Path, here: dict[str, str]) -> None:
    assert set(here) == {"venue", "crowd", "tape"}
    assert hashes(tmp_path, PLAIN) == here


@pytest.mark.nightly
def test_compiled_for_a_generic_processor(tmp_path: Path, here: dict[str, str]) -> None:
    assert hashes(tmp_path, GENERIC) == here
