"""Messages on their way: late ones arrive late, in order, and none is lost."""

from __future__ import annotations

import numpy as np
import pytest

from support.crowd_market import make_view
from undertow.crowd.post import Post
from undertow.crowd.view import Commands, cancel_all


def sent(step: int) -> Commands:
    return cancel_all(np.array([step]), np.array([0]))


def arrivals(latencies: list[float], step_seconds: float = 1.0) -> list[list[int]]:
    """By step: the steps in which what arrives was sent; six quiet seconds follow."""
    post, found = Post(), []
    for step, latency_s in enumerate([*latencies, *[0.0] * 6], 1):
        view = make_view(step, step_seconds=step_seconds)._replace(latency_s=latency_s)
        found.append(post.passed(sent(step), view)["account"].tolist())
    return found


def test_in_calm_everything_arrives_at_once() -> None:
    assert arrivals([0.01, 0.2, 0.9]) == [[step] for step in range(1, 10)]


def test_late_messages_arrive_in_a_later_step_and_in_order() -> None:
    assert arrivals([0.0, 2.5, 1.2]) == [[1], [], [], [2, 3, 4], [5], [6], [7], [8], [9]]


@pytest.mark.parametrize("latencies", [[3.0] * 5, [0.0, 3.0, 0.0, 2.0, 0.0], [5.9, 0.1, 4.0]])
def test_nothing_is_lost_or_overtaken(latencies: list[float]) -> None:
    flat = [step for arrived in arrivals(latencies) for step in arrived]
    assert flat == sorted(flat) == list(range(1, len(latencies) + 7))


def test_shorter_steps_wait_for_more_of_them() -> None:
    assert arrivals([1.0, 0.0], step_seconds=0.5)[:3] == [[], [], [1, 2, 3]]


def test_what_is_on_its_way_is_remembered() -> None:
    post = Post()
    post.passed(sent(1), make_view(1)._replace(latency_s=3.0))
    memory = post.memory()
    assert memory["batches"].tolist() == [[4, 1], [4, 0]] and memory["commands"]["account"].tolist() == [1]
