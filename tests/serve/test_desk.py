"""One piece of work at a time, a short queue, and who comes then is told when to come again."""

from __future__ import annotations

import asyncio
import threading

import pytest

from auxseg.serve.desk import BusyError, Desk


def test_the_queue_is_bounded_and_in_order() -> None:
    desk, go, order = Desk(waiting=2), threading.Event(), []

    def work(number: int) -> int:
        assert go.wait(10)
        order.append(number)
        return number

    async def all_of_them() -> list[object]:
        tasks = [asyncio.create_task(desk.run(work, number)) for number in range(5)]
        await asyncio.sleep(0.05)
        assert desk.inside == 3  # one at work, two waiting
        go.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    found = asyncio.run(all_of_them())
    assert found[:3] == order == [0, 1, 2]
    assert all(isinstance(one, BusyError) and one.seconds >= 1 for one in found[3:])
    assert desk.idle
    desk.close()


def test_an_error_leaves_the_desk_free() -> None:
    desk = Desk(waiting=0)

    async def twice() -> int:
        with pytest.raises(ZeroDivisionError):
            await desk.run(lambda: 1 // 0)
        return await desk.run(lambda: 7)

    assert asyncio.run(twice()) == 7
    assert desk.idle
    desk.close()
