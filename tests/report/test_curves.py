"""Colours of the tasks."""

from __future__ import annotations

from auxseg.report.curves import colour
from auxseg.tasks import TASKS


def test_no_two_tasks_have_the_same_colour() -> None:
    assert len({colour(task) for task in TASKS}) == len(TASKS)
