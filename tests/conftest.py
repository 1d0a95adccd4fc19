"""What all tests share: the Hypothesis profiles, the repository root and the shared data folder.

`UNDERTOW_PROFILE=nightly` tries many more examples; `UNDERTOW_SHARED` names the shared folder when it is not
beside the repository. A test that needs the shared folder skips, with a reason, where there is none.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

# No deadline: a first call compiles a kernel. Examples are derived from the test itself, so a quick run is
# the same on every machine; the nightly run draws fresh ones and prints how to repeat a failure.
settings.register_profile(
    "quick",
    max_examples=50,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "nightly",
    max_examples=2_000,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("UNDERTOW_PROFILE", "quick"))


@pytest.fixture(scope="session")
def repository() -> Path:
    """The repository's root folder."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with recorded data and published facts; skips the test where there is none."""
    named = os.environ.get("UNDERTOW_SHARED")
    folder = Path(named) if named else ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"needs the shared data folder; not found at {folder} (set UNDERTOW_SHARED)")
    return folder
