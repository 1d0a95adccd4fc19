"""Random streams: the same bits whatever the order, the split or the company; the shapes they promise."""

from __future__ import annotations

import numpy as np
import pytest

from undertow import streams

SEED = 20_251_010


def test_known_answers_do_not_change() -> None:
    """Runs are reproducible across versions only while these three hold."""
    assert int(streams.stream_key(1, "makers", 0)) == 15_112_275_322_631_784_847
    assert streams.uniform(1, "makers", 0, np.array([0]))[0] == 0.5874086233387437
    assert streams.normal(1, "makers", 0, np.array([0]))[0] == 0.75439453125


def test_splitmix_finaliser_is_the_published_one() -> None:
    """First output of splitmix64 seeded with zero (Vigna's reference implementation)."""
    assert streams._finalise(0x9E3779B97F4A7C15) == 0xE220A8397B1DCDAF


@pytest.mark.parametrize("step", [0, 1, 7_200])
@pytest.mark.parametrize("seed", [0, 1, (1 << 63) - 1])
def test_compiled_draws_equal_the_plain_reference(seed: int, step: int) -> None:
    ids = np.array([0, 1, 2, 63, 1_659_999, 1 << 40, (1 << 61) + 5], np.int64)
    uniforms = streams.uniform(seed, "stops", step, ids)
    normals = streams.normal(seed, "stops", step, ids)
    wholes = streams.integers(seed, "stops", step, ids, 1_000_003)
    for row, identity in enumerate(ids.tolist()):
        assert uniforms[row] == streams.uniform_reference(seed, "stops", step, identity)
        assert normals[row] == streams.normal_reference(seed, "stops", step, identity)
        assert wholes[row] == streams.integer_reference(seed, "stops", step, identity, 1_000_003)


def test_a_draw_depends_on_its_own_id_alone() -> None:
    ids = np.arange(1_000, dtype=np.int64)
    together = streams.normal(SEED, "traders", 5, ids)
    shuffled = np.random.default_rng(3).permutation(ids)
    assert np.array_equal(streams.normal(SEED, "traders", 5, shuffled), together[shuffled])
    pieces = [streams.normal(SEED, "traders", 5, part) for part in np.array_split(ids, 7)]
    assert np.array_equal(np.concatenate(pieces), together)


@pytest.mark.parametrize(
    ("seed", "stream", "step"), [(SEED + 1, "traders", 5), (SEED, "makers", 5), (SEED, "traders", 6)]
)
def test_seed_stream_and_step_each_give_an_independent_stream(seed: int, stream: str, step: int) -> None:
    ids = np.arange(20_000, dtype=np.int64)
    base = streams.uniform(SEED, "traders", 5, ids)
    other = streams.uniform(seed, stream, step, ids)
    assert abs(np.corrcoef(base, other)[0, 1]) < 0.03  # four standard errors of a true zero
    assert np.count_nonzero(base == other) == 0


def test_neighbouring_ids_and_steps_are_uncorrelated() -> None:
    ids = np.arange(20_000, dtype=np.int64)
    draws = streams.uniform(SEED, "traders", 0, ids)
    assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < 0.03
    over_steps = np.array([streams.uniform(SEED, "traders", step, ids[:4])[0] for step in range(2_000)])
    assert abs(np.corrcoef(over_steps[:-1], over_steps[1:])[0, 1]) < 0.09


def test_shapes() -> None:
    ids = np.arange(200_000, dtype=np.int64)
    uniforms = streams.uniform(SEED, "shape", 0, ids)
    assert uniforms.min() >= 0.0
    assert uniforms.max() < 1.0
    counts = np.bincount((uniforms * 100).astype(int), minlength=100)
    assert ((counts - 2_000.0) ** 2 / 2_000.0).sum() < 150  # chi-square, 99 degrees of freedom: p = 0.0007

    normals = streams.normal(SEED, "shape", 0, ids)
    assert abs(normals.mean()) < 0.01
    assert abs(normals.std() - 1.0) < 0.01
    assert abs(np.mean(normals**4) - 2.9) < 0.1  # twelve terms give a kurtosis of 3 - 1.2/12
    assert abs(np.mean(np.abs(normals) > 1.96) - 0.05) < 0.002

    wholes = streams.integers(SEED, "shape", 0, ids, 6)
    assert set(wholes.tolist()) == {0, 1, 2, 3, 4, 5}
    assert np.abs(np.bincount(wholes) / len(ids) - 1 / 6).max() < 0.004


def test_uniform_and_normal_of_one_key_share_no_bits() -> None:
    ids = np.arange(20_000, dtype=np.int64)
    assert abs(np.corrcoef(streams.uniform(1, "x", 0, ids), streams.normal(1, "x", 0, ids))[0, 1]) < 0.03


@pytest.mark.parametrize("bound", [0, -4, (1 << 31) + 1])
def test_a_bound_outside_the_range_is_refused(bound: int) -> None:
    with pytest.raises(ValueError, match="bound must be 1 to 2147483648"):
        streams.integers(1, "x", 0, np.array([0]), bound)


def test_derived_seeds_differ_and_stay_positive() -> None:
    seeds = {streams.derived_seed(1, "scenario", number) for number in range(1_000)}
    assert len(seeds) == 1_000
    assert all(0 <= seed < 1 << 63 for seed in seeds)
    assert streams.derived_seed(1, "scenario", 3) != streams.derived_seed(1, "repetition", 3)
