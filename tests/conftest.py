"""What all tests share: the Hypothesis profiles, the order of the files, the root and the shared data folder.

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
    max_examples=25,
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

# Files that are begun first, so that workers end together. The first run needs the engine's kernels, whose
# compiling one worker does meanwhile: these take about as long and call none of them.
WITHOUT_KERNELS = (
    "unit/test_report.py",
    "unit/test_case_load.py",
    "unit/test_cli.py",
    "unit/test_tape.py",
    "unit/test_without.py",
    "unit/test_cache.py",
    "unit/test_starting.py",
    "unit/test_case_extends.py",
    "unit/test_keys.py",
    "unit/test_figure_bounds.py",
    "unit/test_tidy.py",
    "unit/test_amounts.py",
    "unit/test_bad_cases.py",
    "unit/test_bad_data.py",
    "unit/test_bad_overrides.py",
    "unit/test_bad_rulebooks.py",
    "unit/test_sources.py",
    "unit/test_population_file.py",
    "unit/test_measures.py",
    "unit/test_score.py",
    "unit/test_rulebook_presets.py",
    "rules/test_book.py",  # compiles kernels that only it and the benchmarks call
)
# Then those that take longest: one of them begun last would be waited for.
LONG = (
    "end_to_end/test_command_line.py",
    "end_to_end/test_draws.py",
    "properties/test_waterfall_properties.py",
    "properties/test_venue_machine.py",
    "end_to_end/test_calibrate.py",
    "end_to_end/test_two_venues.py",
    "end_to_end/test_compared_draws.py",
    "properties/test_facade_absurd.py",
    "end_to_end/test_run.py",
    "properties/test_allocation_properties.py",
    "rules/test_every_figure.py",
    "end_to_end/test_size_of_a_venue.py",
)
FIRST = {name: place for place, name in enumerate((*WITHOUT_KERNELS, *LONG))}
WHOLE_SUITE = 2_000  # tests; fewer are a choice of files, which compile what they need


def pytest_configure(config: pytest.Config) -> None:
    """Hand out files in the order below, not by their number of tests."""
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The same order on every worker."""
    items.sort(key=lambda item: FIRST.get(item.path.relative_to(ROOT / "tests").as_posix(), len(FIRST)))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Before the first test of the whole suite, the first of several workers compiles for all.

    Otherwise each would compile the same kernels at the same time.
    """
    if os.environ.get("PYTEST_XDIST_WORKER") == "gw0" and len(session.items) >= WHOLE_SUITE:
        from support.compiling import compile_kernels

        compile_kernels()


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
