"""What every bus does, on every adapter."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import ClassVar

import pytest

from runtime.bus.calls import call, events, publish, serve
from runtime.bus.contract import Command, CommandError, Done, Event, Fault, Value
from runtime.bus.port import MAX_BODY, Bus, BusUnavailableError, Message, Subscription
from tests.support.buses import RESTARTABLE, WORLDS, BusWorld

DEADLINE = 10.0


@pytest.fixture(params=WORLDS)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[BusWorld]:
    async with WORLDS[request.param]() as world:
        yield world


@pytest.fixture
async def bus(world: BusWorld) -> Bus:
    return await world.connect()


@pytest.fixture
async def other(world: BusWorld) -> Bus:
    return await world.connect()


async def take(subscription: Subscription, count: int) -> list[Message]:
    iterator = aiter(subscription)
    async with asyncio.timeout(DEADLINE):
        return [await anext(iterator) for _ in range(count)]


async def drain(subscription: Subscription) -> list[Message]:
    async with asyncio.timeout(DEADLINE):
        return [message async for message in subscription]


async def test_messages_reach_everybody_who_asked_in_the_publishers_order(bus: Bus, other: Bus) -> None:
    async with (
        bus.subscribe("a.*") as here,
        other.subscribe("a.x", "a.y") as there,
        other.subscribe("b.**") as apart,
    ):
        for number in range(100):
            await bus.publish("a.x" if number % 2 else "a.y", str(number).encode())
        await other.publish("b.c.d", b"end")
        wanted = [Message("a.x" if number % 2 else "a.y", str(number).encode()) for number in range(100)]
        assert await take(here, 100) == wanted
        assert await take(there, 100) == wanted
        assert await take(apart, 1) == [Message("b.c.d", b"end")]
        assert here.dropped == there.dropped == 0


async def test_a_star_is_one_word_and_two_are_the_rest(bus: Bus, other: Bus) -> None:
    async with (
        bus.subscribe("a.*", "end") as one,
        bus.subscribe("a.**", "end") as rest,
        bus.subscribe("**") as every,
    ):
        for topic in ("a", "a.b", "a.b.c", "ab", "b.a", "end"):
            await other.publish(topic, b"")
        assert [m.topic for m in await take(one, 2)] == ["a.b", "end"]
        assert [m.topic for m in await take(rest, 3)] == ["a.b", "a.b.c", "end"]
        assert [m.topic for m in await take(every, 6)] == ["a", "a.b", "a.b.c", "ab", "b.a", "end"]


async def test_a_message_that_two_patterns_match_comes_once(bus: Bus, other: Bus) -> None:
    async with bus.subscribe("a.*", "a.b", "**") as messages:
        await other.publish("a.b", b"1")
        await other.publish("a.b", b"2")
        assert [m.body for m in await take(messages, 2)] == [b"1", b"2"]


async def test_a_slow_subscriber_loses_the_oldest_and_they_are_counted(bus: Bus, other: Bus) -> None:
    async with bus.subscribe("n", size=10) as slow, bus.subscribe("n", "end", size=1000) as quick:
        for number in range(500):
            await other.publish("n", str(number).encode())
        await other.publish("end", b"")
        await take(quick, 501)
        assert [m.body for m in await take(slow, 10)] == [str(number).encode() for number in range(490, 500)]
        assert slow.dropped == 490


async def test_a_left_subscription_gets_nothing_more(bus: Bus) -> None:
    async with bus.subscribe("a") as first:
        await bus.publish("a", b"1")
        await take(first, 1)
    async with bus.subscribe("a") as second:
        await bus.publish("a", b"2")
        assert [m.body for m in await take(second, 1)] == [b"2"]
    assert await drain(first) == []


async def test_the_largest_body_passes_and_a_larger_one_is_refused(bus: Bus, other: Bus) -> None:
    async with other.subscribe("big") as messages:
        with pytest.raises(ValueError, match="over the limit"):
            await bus.publish("big", b"x" * (MAX_BODY + 1))
        await bus.publish("big", b"y" * MAX_BODY)
        assert (await take(messages, 1))[0].body == b"y" * MAX_BODY


async def test_wrong_topics_and_patterns_are_refused(bus: Bus) -> None:
    with pytest.raises(ValueError, match="no topic"):
        await bus.publish("a.*", b"")
    with pytest.raises(ValueError, match="no pattern"):
        async with bus.subscribe("a.**.b"):
            pass


async def test_subscriptions_end_when_the_bus_closes(bus: Bus) -> None:
    async with bus.subscribe("a") as messages, asyncio.timeout(DEADLINE):
        reader = asyncio.create_task(drain(messages))
        await asyncio.sleep(0)
        await bus.close()
        assert await reader == []
    with pytest.raises(BusUnavailableError):
        await bus.publish("a", b"")


# --- calls and events ------------------------------------------------------------------------------------------------


class Sum(Value):
    total: int


class Add(Command[Sum]):
    topic: ClassVar[str] = "test.add"
    reply = Sum
    a: int
    b: int


class Lookalike(Command[Sum]):
    topic: ClassVar[str] = "test.add"
    reply = Sum
    a: str


class Break(Command[Done]):
    topic: ClassVar[str] = "test.break"
    reply = Done
    how: str


class Moved(Event):
    topic: ClassVar[str] = "test.moved"
    to: int


class Ended(Event):
    topic: ClassVar[str] = "test.ended"


async def add(command: Add) -> Sum:
    return Sum(total=command.a + command.b)


async def break_(command: Break) -> Done:
    if command.how == "conflict":
        raise CommandError(Fault.CONFLICT, "the door is locked", field="door.state")
    if command.how == "silent":
        await asyncio.sleep(60)
    raise RuntimeError("a bug")


async def test_a_call_returns_the_owners_reply(bus: Bus, other: Bus) -> None:
    async with serve(other, {Add: add, Break: break_}):
        assert await call(bus, Add(a=1, b=2)) == Sum(total=3)
        async with asyncio.TaskGroup() as tasks:
            calls = [tasks.create_task(call(bus, Add(a=number, b=1))) for number in range(50)]
        assert [each.result().total for each in calls] == list(range(1, 51))


async def test_a_refusal_is_carried_to_the_caller(bus: Bus, other: Bus) -> None:
    async with serve(other, {Break: break_}):
        with pytest.raises(CommandError, match="the door is locked") as caught:
            await call(bus, Break(how="conflict"))
        assert (caught.value.fault, caught.value.field) == (Fault.CONFLICT, "door.state")


async def test_a_bug_in_a_handler_is_an_answer_and_the_next_call_works(bus: Bus, other: Bus) -> None:
    async with serve(other, {Break: break_, Add: add}):
        with pytest.raises(CommandError, match="a bug") as caught:
            await call(bus, Break(how="bug"))
        assert caught.value.fault is Fault.INTERNAL
        assert (await call(bus, Add(a=1, b=1))).total == 2


async def test_nobody_there_and_no_answer_are_unavailable(bus: Bus, other: Bus) -> None:
    with pytest.raises(CommandError, match="no answer") as caught:
        await call(bus, Add(a=1, b=2), timeout=0.2)
    assert caught.value.fault is Fault.UNAVAILABLE
    async with serve(other, {Break: break_}):
        with pytest.raises(CommandError, match="no answer"):
            await call(bus, Break(how="silent"), timeout=0.2)


class Total(Command[Sum]):
    topic: ClassVar[str] = "test.total"
    asks = True
    reply = Sum


async def test_who_only_asks_gets_an_answer_from_an_owner_that_comes_later(bus: Bus, other: Bus) -> None:
    # At a start the studio asked for the feeds before ingest was there, and waited in vain for all of its time-out.
    running = most = 0

    async def total(_: Total) -> Sum:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(1.2)  # long enough to be asked again meanwhile
        running -= 1
        return Sum(total=7)

    asking = asyncio.create_task(call(bus, Total(), timeout=DEADLINE))
    await asyncio.sleep(0.3)
    async with serve(other, {Total: total}):
        assert (await asking).total == 7
    assert most == 1


async def test_what_changes_something_is_sent_once(bus: Bus, other: Bus) -> None:
    async with other.subscribe("test.add") as messages:
        with pytest.raises(CommandError, match="no answer"):
            await call(bus, Add(a=1, b=2), timeout=1.0)
        await other.publish("test.add", b"the end")
        async with asyncio.timeout(DEADLINE):
            bodies = [
                message.body for message in [await anext(aiter(messages)), await anext(aiter(messages))]
            ]
    assert bodies[1] == b"the end"


async def test_a_body_that_is_no_command_is_invalid_and_noise_is_survived(bus: Bus, other: Bus) -> None:
    async with serve(other, {Add: add}):
        await bus.publish("test.add", b"\xff\x00 noise")
        with pytest.raises(CommandError) as caught:
            await call(bus, Lookalike(a="many"))
        assert (caught.value.fault, caught.value.field) == (Fault.INVALID, "a")
        assert (await call(bus, Add(a=2, b=2))).total == 4


async def test_a_call_that_is_too_long_for_the_bus_is_invalid(bus: Bus) -> None:
    with pytest.raises(CommandError, match="over the limit") as caught:
        await call(bus, Break(how="x" * (MAX_BODY + 1)))
    assert caught.value.fault is Fault.INVALID


async def test_events_are_told_in_order_and_nonsense_is_skipped(bus: Bus, other: Bus) -> None:
    async with events(bus, Moved, Ended) as stream:
        await publish(other, Moved(to=1))
        await other.publish("test.moved", b"nonsense")
        await publish(other, Moved(to=2))
        await publish(other, Ended())
        iterator = aiter(stream)
        async with asyncio.timeout(DEADLINE):
            got = [await anext(iterator) for _ in range(3)]
        assert [type(each) for each in got] == [Moved, Moved, Ended]
        assert stream.dropped == stream.interruptions == 0


# --- the middle goes away --------------------------------------------------------------------------------------------


async def keep_publishing(bus: Bus) -> None:
    for _ in range(100):  # one that was on its way may be lost without a word
        await bus.publish("a.b", b"lost")
        await asyncio.sleep(0)


@pytest.mark.parametrize("world", RESTARTABLE, indirect=True)
async def test_after_the_middle_restarts_subscriptions_go_on_and_know_of_the_gap(
    world: BusWorld, bus: Bus, other: Bus
) -> None:
    async with bus.subscribe("a.*") as messages:
        await other.publish("a.b", b"before")
        assert [m.body for m in await take(messages, 1)] == [b"before"]
        await world.stop()
        with pytest.raises(BusUnavailableError):
            await keep_publishing(other)
        await world.start()
        async with asyncio.timeout(DEADLINE):
            while not messages.interruptions:
                await asyncio.sleep(0.02)
        assert messages.interruptions == 1
        await other.publish("a.b", b"after")
        assert [m.body for m in await take(messages, 1)] == [b"after"]


@pytest.mark.parametrize("world", RESTARTABLE, indirect=True)
async def test_a_subscription_may_wait_for_the_middle(world: BusWorld, bus: Bus, other: Bus) -> None:
    await world.stop()

    async def first() -> Message:
        async with bus.subscribe("a") as messages:
            subscribed.set()
            return (await take(messages, 1))[0]

    subscribed = asyncio.Event()
    reader = asyncio.create_task(first())
    await asyncio.sleep(0.2)
    assert not subscribed.is_set()
    await world.start()
    async with asyncio.timeout(DEADLINE):
        await subscribed.wait()
        await other.publish("a", b"1")
        assert (await reader).body == b"1"


@pytest.mark.parametrize("world", RESTARTABLE, indirect=True)
async def test_calls_work_again_after_the_middle_restarts(world: BusWorld, bus: Bus, other: Bus) -> None:
    async with serve(other, {Add: add}):
        assert (await call(bus, Add(a=1, b=1))).total == 2
        await world.stop()
        with pytest.raises(CommandError) as caught:
            await call(bus, Add(a=1, b=1), timeout=0.3)
        assert caught.value.fault is Fault.UNAVAILABLE
        await world.start()
        async with asyncio.timeout(DEADLINE):
            total = 0
            while not total:
                with contextlib.suppress(CommandError):
                    total = (await call(bus, Add(a=2, b=1), timeout=0.5)).total
            assert total == 3
