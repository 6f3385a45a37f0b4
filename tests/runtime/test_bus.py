"""Events to subscribers: in order, bounded, told what was missed, and nobody in anybody's way."""

from __future__ import annotations

import asyncio

from partfill.model.events import CommandRefused
from partfill.runtime.bus import Bus, Missed, Subscription, Told


def event(number: int) -> CommandRefused:
    return CommandRefused(0, None, None, f"r{number}", "why")


def publish(bus: Bus, *numbers: int, parent: int = 0) -> None:
    for number in numbers:
        bus.publish(Told(number, parent, event(number)))


async def read(reader: Subscription, count: int) -> list[Told]:
    async with asyncio.timeout(10):
        return [await anext(reader) for _ in range(count)]


async def rest(reader: Subscription) -> list[Told]:
    """Everything until the end."""
    async with asyncio.timeout(10):
        return [told async for told in reader]


async def test_every_reader_gets_every_event_in_order() -> None:
    bus = Bus()
    readers = [bus.subscribe() for _ in range(3)]
    publish(bus, *range(100))
    for reader in readers:
        assert [told.seq for told in await read(reader, 100)] == list(range(100))


async def test_a_reader_gets_only_what_came_after_it() -> None:
    bus = Bus()
    publish(bus, 1)
    reader = bus.subscribe()
    publish(bus, 2)
    bus.close()
    assert [told.seq for told in await rest(reader)] == [2]


async def test_a_reader_that_waits_is_woken() -> None:
    bus = Bus()
    reader = bus.subscribe()
    task = asyncio.create_task(read(reader, 2))
    await asyncio.sleep(0)
    publish(bus, 1)
    await asyncio.sleep(0)
    publish(bus, 2)
    assert [told.seq for told in await task] == [1, 2]


async def test_a_slow_reader_is_told_what_it_missed_and_the_others_miss_nothing() -> None:
    bus = Bus()
    slow, quick = bus.subscribe(limit=3), bus.subscribe()
    publish(bus, *range(1, 11))
    got = await read(slow, 4)
    assert [told.seq for told in got[:3]] == [1, 2, 3]
    assert got[3].event == Missed(first_seq=4, last_seq=10, count=7)
    assert len(await read(quick, 10)) == 10
    publish(bus, 11)
    assert [told.seq for told in await read(slow, 1)] == [11]


async def test_after_a_miss_nothing_is_told_out_of_order() -> None:
    bus = Bus()
    reader = bus.subscribe(limit=2)
    publish(bus, 1, 2, 3)
    assert [told.seq for told in await read(reader, 1)] == [1]
    # There is room again, but 3 is missing: 4 may not come before that is told.
    publish(bus, 4)
    assert [told.seq for told in await read(reader, 1)] == [2]
    (told,) = await read(reader, 1)
    assert told.event == Missed(first_seq=3, last_seq=4, count=2)
    publish(bus, 5)
    bus.close()
    assert [told.seq for told in await rest(reader)] == [5]


async def test_two_misses_are_told_apart() -> None:
    bus = Bus()
    reader = bus.subscribe(limit=1)
    publish(bus, 1, 2)
    assert [type(told.event) for told in await read(reader, 2)] == [CommandRefused, Missed]
    publish(bus, 3, 4, 5)
    assert [told.event for told in await read(reader, 2)] == [event(3), Missed(first_seq=4, last_seq=5, count=2)]


async def test_the_events_of_one_parent() -> None:
    bus = Bus()
    one, both = bus.subscribe(parent=1, limit=2), bus.subscribe()
    publish(bus, 1, 2, parent=1)
    publish(bus, 3, 4, 5, parent=2)
    bus.close()
    assert [told.seq for told in await rest(one)] == [1, 2], "what it does not read takes none of its room"
    assert len(await rest(both)) == 5


async def test_a_callback_that_fails_is_counted_and_called_again() -> None:
    bus = Bus()
    seen: list[int] = []

    def fails(told: Told) -> None:
        seen.append(told.seq)
        raise RuntimeError("no")

    good: list[int] = []
    bus.call(fails)
    bus.call(lambda told: good.append(told.seq))
    reader = bus.subscribe()
    publish(bus, 1, 2)
    assert (seen, good, bus.failures) == ([1, 2], [1, 2], 2)
    assert len(await read(reader, 2)) == 2


async def test_a_callback_ends_itself_and_ending_twice_does_nothing() -> None:
    bus = Bus()
    seen: list[int] = []
    other: list[int] = []

    def once(told: Told) -> None:
        seen.append(told.seq)
        end()

    end = bus.call(once)
    bus.call(lambda told: other.append(told.seq))
    publish(bus, 1, 2)
    end()
    assert (seen, other) == ([1], [1, 2])


async def test_what_waits_can_be_read_after_the_close() -> None:
    bus = Bus()
    reader, gone = bus.subscribe(limit=2), bus.subscribe()
    publish(bus, 1)
    gone.close()
    gone.close()
    publish(bus, 2, 3)
    bus.close()
    publish(bus, 4)
    assert [told.seq for told in await rest(reader)] == [1, 2, 3], "the third is the news of what was missed"
    assert [told.seq for told in await rest(gone)] == [1]


async def test_a_callback_that_ends_a_reader_keeps_nothing_from_the_others() -> None:
    bus = Bus()
    first, second, third = (bus.subscribe() for _ in range(3))
    bus.call(lambda told: first.close())
    publish(bus, 1, 2)
    for reader, seqs in ((first, [1]), (second, [1, 2]), (third, [1, 2])):
        reader.close()
        assert [told.seq for told in await rest(reader)] == seqs


async def test_a_close_wakes_who_waits() -> None:
    bus = Bus()
    reader = bus.subscribe()
    task = asyncio.create_task(rest(reader))
    await asyncio.sleep(0)
    bus.close()
    assert await task == []
