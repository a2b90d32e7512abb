"""Commands with one reply, and events, over any `Bus`.

A command travels on its own topic in an envelope ``{id, reply_to, body}``; the reply comes back on ``reply.<id>`` as
``{body}`` or ``{fault, message, field}``. One process owns a topic. A command that changes something is sent once: where
it or its reply is lost that is a time-out at the caller, who knows whether to try again. One that only `asks` is sent
again until the deadline: at a start nobody needs to know who is there first.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from runtime import logs
from runtime.bus.contract import Command, CommandError, Event, Fault, ReplyT, Value
from runtime.bus.port import MAX_BODY, Bus, BusUnavailableError, Message, Subscription

log = logs.get("runtime.bus")

ASK_AGAIN = 0.2
"""Seconds until a command that only asks is sent again; each time twice as many, up to the limit."""
ASK_AGAIN_LIMIT = 0.5
"""Seconds. An owner that comes shortly before the deadline must still be asked in time."""

EventT = TypeVar("EventT", bound=Event)
EventT_co = TypeVar("EventT_co", bound=Event, covariant=True)
Handler = Callable[[Any], Awaitable[Value]]
"""Takes the command of the class it is registered for, returns that class's reply."""
Handlers = Mapping[type[Command[Any]], Handler]


class _Request(BaseModel):
    model_config = ConfigDict(extra="ignore")
    id: str
    reply_to: str
    body: dict[str, Any]


class _Reply(BaseModel):
    model_config = ConfigDict(extra="ignore")
    body: dict[str, Any] | None = None
    fault: Fault | None = None
    message: str = ""
    field: str | None = None


class EventStream(Protocol, Generic[EventT_co]):
    """Iterate it for events. After a rise of `interruptions` or `dropped` ask for the state again."""

    @property
    def dropped(self) -> int:
        """Events lost because this reader did not keep up."""
        ...

    @property
    def interruptions(self) -> int:
        """Times the bus was away, so that events may be missing."""
        ...

    def __aiter__(self) -> AsyncIterator[EventT_co]: ...


async def call(bus: Bus, command: Command[ReplyT], timeout: float = 5.0) -> ReplyT:
    """Send a command to its owner and return the reply.

    Raises `CommandError`: the owner's own, or `Fault.UNAVAILABLE` when no answer came within `timeout` seconds (the
    command may have been carried out nevertheless) or the bus is away, or `Fault.INTERNAL` for an answer that makes
    no sense.
    """
    request = uuid.uuid4().hex
    reply_to = f"reply.{request}"
    body = (
        _Request(id=request, reply_to=reply_to, body=command.model_dump(mode="json"))
        .model_dump_json()
        .encode()
    )
    try:
        async with asyncio.timeout(timeout), bus.subscribe(reply_to, size=1) as replies:
            await bus.publish(command.topic, body)
            async with _asked_again(bus, command, body):
                async for message in replies:
                    return _read_reply(command, message)
    except TimeoutError as error:
        raise CommandError(Fault.UNAVAILABLE, f"{command.topic}: no answer within {timeout:g} s") from error
    except BusUnavailableError as error:
        raise CommandError(Fault.UNAVAILABLE, f"{command.topic}: {error}") from error
    except ValueError as error:
        raise CommandError(Fault.INVALID, f"{command.topic}: {error}") from error
    raise CommandError(Fault.UNAVAILABLE, f"{command.topic}: the bus was closed")


@asynccontextmanager
async def _asked_again(bus: Bus, command: Command[Any], body: bytes) -> AsyncIterator[None]:
    """Send the command again while the context is open, if it is one that only asks."""
    if not command.asks:
        yield
        return

    async def ask() -> None:
        delay = ASK_AGAIN
        while True:
            await asyncio.sleep(delay)
            delay = min(2 * delay, ASK_AGAIN_LIMIT)
            with contextlib.suppress(BusUnavailableError):  # the deadline of the call tells of it
                await bus.publish(command.topic, body)

    asking = asyncio.create_task(ask(), name=f"bus.call {command.topic}")
    try:
        yield
    finally:
        asking.cancel()
        await asyncio.wait([asking])


def _read_reply(command: Command[ReplyT], message: Message) -> ReplyT:
    try:
        reply = _Reply.model_validate_json(message.body)
        if reply.fault is not None:
            raise CommandError(reply.fault, reply.message, field=reply.field)
        # The class names its reply twice, as a type for the checker and as a value for this line.
        return type(command).reply.model_validate(reply.body)  # type: ignore[return-value]  # see above
    except ValidationError as error:
        raise CommandError(Fault.INTERNAL, f"{command.topic}: the answer makes no sense: {error}") from error


@asynccontextmanager
async def serve(
    bus: Bus, handlers: Handlers, *, size: int = 1024, concurrency: int = 64
) -> AsyncIterator[None]:
    """Answer commands while the context is open; from the moment it is entered.

    Each command runs in a task of its own, `concurrency` at most at once; a handler that needs an order has its own
    lock. A `CommandError` is carried to the caller, any other exception is logged and told as `Fault.INTERNAL`.
    Handlers that still run when the context is left are cancelled.
    """
    by_topic = {kind.topic: (kind, handler) for kind, handler in handlers.items()}
    if len(by_topic) != len(handlers):
        raise ValueError("two commands have one topic")
    async with bus.subscribe(*by_topic, size=size) as requests:
        dispatcher = asyncio.create_task(_dispatch(bus, requests, by_topic, concurrency), name="bus.serve")
        try:
            yield
        finally:
            dispatcher.cancel()
            await asyncio.wait([dispatcher])
            if requests.dropped:
                log.warning("commands were dropped", count=requests.dropped)
            if not dispatcher.cancelled() and (error := dispatcher.exception()) is not None:
                raise error


async def _dispatch(
    bus: Bus,
    requests: Subscription,
    by_topic: Mapping[str, tuple[type[Command[Any]], Handler]],
    concurrency: int,
) -> None:
    slots = asyncio.Semaphore(concurrency)
    running: set[str] = set()

    async def one(message: Message) -> None:
        try:
            await _answer(bus, message, *by_topic[message.topic], running)
        finally:
            slots.release()

    async with asyncio.TaskGroup() as tasks:
        async for message in requests:
            await slots.acquire()
            tasks.create_task(one(message), name=f"bus.serve {message.topic}")


async def _answer(
    bus: Bus, message: Message, kind: type[Command[Any]], handler: Handler, running: set[str]
) -> None:
    try:
        request = _Request.model_validate_json(message.body)
    except ValidationError as error:
        log.warning(
            "a command without a readable envelope was ignored", topic=message.topic, error=str(error)
        )
        return
    if request.id in running:
        return  # it was asked again while we work on it
    running.add(request.id)
    try:
        reply = await _run(request, kind, handler)
    finally:
        running.discard(request.id)
    body = reply.model_dump_json(exclude_none=True).encode()
    if len(body) > MAX_BODY:
        too_long = _Reply(
            fault=Fault.INTERNAL, message=f"the reply of {len(body)} bytes is too long for the bus"
        )
        body = too_long.model_dump_json(exclude_none=True).encode()
    try:
        await bus.publish(request.reply_to, body)
    except (BusUnavailableError, ValueError) as error:
        log.warning("a reply could not be sent", topic=message.topic, command=request.id, error=str(error))


async def _run(request: _Request, kind: type[Command[Any]], handler: Handler) -> _Reply:
    try:
        command = kind.model_validate(request.body)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        return _Reply(fault=Fault.INVALID, message=first["msg"], field=field or None)
    with logs.bound(command=command.id):
        try:
            reply = await handler(command)
            return _Reply(body=reply.model_dump(mode="json"))
        except CommandError as error:
            return _Reply(fault=error.fault, message=str(error), field=error.field)
        except Exception as error:  # the boundary: a bug in a handler must reach the caller as an answer
            log.exception("a command failed", topic=kind.topic)
            return _Reply(fault=Fault.INTERNAL, message=f"{type(error).__name__}: {error}")


async def publish(bus: Bus, event: Event) -> None:
    """Tell an event to everybody. Raises `BusUnavailableError`."""
    await bus.publish(event.topic, event.model_dump_json().encode())


class _Events(Generic[EventT]):
    def __init__(self, messages: Subscription, kinds: Mapping[str, type[EventT]]) -> None:
        self._messages = messages
        self._iterator = aiter(messages)
        self._kinds = kinds

    @property
    def dropped(self) -> int:
        return self._messages.dropped

    @property
    def interruptions(self) -> int:
        return self._messages.interruptions

    def __aiter__(self) -> AsyncIterator[EventT]:
        return self

    async def __anext__(self) -> EventT:
        while True:
            message = await anext(self._iterator)
            try:
                return self._kinds[message.topic].model_validate_json(message.body)
            except ValidationError as error:
                log.warning("an event that makes no sense was ignored", topic=message.topic, error=str(error))


@asynccontextmanager
async def events(bus: Bus, *kinds: type[EventT], size: int = 256) -> AsyncIterator[EventStream[EventT]]:
    """The events of these classes, in order per publisher, from the moment the context is entered."""
    by_topic = {kind.topic: kind for kind in kinds}
    async with bus.subscribe(*by_topic, size=size) as messages:
        yield _Events(messages, by_topic)
