"""How far something is: a bar on a terminal, lines in a log, nothing from workers."""

from __future__ import annotations

import re
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta

import pytest

from auxseg import progress as module
from auxseg.progress import clock_time, duration, progress, tracked


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (250, "4 min 10 s"), (7500, "2 h 5 min")],
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_time_of_another_day_names_the_day() -> None:
    then = datetime.now() + timedelta(days=2)
    assert clock_time(2 * 86400).startswith(f"{then:%d %B}")
    assert re.fullmatch(r"\d\d:\d\d", clock_time(0))


def test_a_log_gets_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten a second, for 31 seconds."""
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    with progress("reading photos", 600) as advance:
        for _ in range(310):
            now[0] += 0.1
            advance()
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "reading photos: 300 of 600, 10.0 per second, 30 s left"


def test_slow_things_are_told_by_the_piece(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    for _ in tracked(range(3), "measuring", 3):
        now[0] += 40
    first, *_ = capsys.readouterr().err.splitlines()
    assert first == "measuring: 1 of 3, 40 s each, 1 min 20 s left"


@pytest.mark.parametrize("seconds", [0.0, 0.5])
def test_a_bar_appears_where_it_takes_long(
    seconds: float, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    for number in tracked(range(4), "reading photos", 4):
        assert number < 4
        now[0] += seconds
    assert ("reading photos" in capsys.readouterr().err) == (seconds > 0)


def test_what_is_tracked_is_handed_on_and_errors_pass() -> None:
    assert list(tracked("abc", "reading", 3)) == ["a", "b", "c"]
    with pytest.raises(ZeroDivisionError):
        list(tracked((1 / n for n in (1, 0)), "reading", 2))


def test_workers_are_silent(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with ProcessPoolExecutor(1) as pool:
        assert pool.submit(_count_in_a_worker).result() == 3
    monkeypatch.setattr(module, "EVERY", 0.0)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert list(tracked("ab", "reading", 2)) == ["a", "b"]
    assert capfd.readouterr().err == ""


def _count_in_a_worker() -> int:
    module.EVERY = 0.0
    return len(list(tracked("abc", "reading", 3)))
