from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule
from prometheus_client import CollectorRegistry

from tests.support.card_owner import no_link
from tests.support.following import Documents, frames_in
from web.auth.roles import Role
from web.realtime import frames
from web.realtime.frames import MalformedError, Subscribe, Unsubscribe, request_of
from web.realtime.hub import Hub, Reader
from web.realtime.metrics import RealtimeMetrics
from web.realtime.settings import RealtimeSettings
from web.realtime.state import Board, Store, diff
from web.realtime.topics import Topic, Topics

VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2), st.sampled_from([0.0, 1.0]), st.text(max_size=3)
)
DOCUMENTS = st.dictionaries(st.sampled_from(["a", "b", "name", "값"]), VALUES, max_size=4)
KEYS = st.sampled_from(["main", "second", '"', "셋"])
STEPS = st.lists(st.tuples(st.integers(0, 1), KEYS, st.one_of(st.none(), DOCUMENTS)), max_size=60)


def taken(store: Store, boards: list[Board]) -> dict[str, Any]:
    return json.loads(json.dumps(frames_in(frames.snapshot(store.snapshot(boards)))[0]["topics"]))  # type: ignore[no-any-return]


@given(STEPS, st.lists(st.integers(0, 60), max_size=4), st.sampled_from([3, 8, 1000]))
def test_snapshot_and_patches_are_the_fresh_snapshot(
    steps: list[tuple[int, str, dict[str, Any] | None]], stops: list[int], window: int
) -> None:
    """A reader that comes by at any steps and at the end has what a fresh snapshot gives, by whatever way."""
    store, boards = Store(window), [Board("channels"), Board("shows")]
    reader = Documents()
    reader.apply(frames_in(frames.snapshot(store.snapshot(boards)))[0])
    for number, (which, key, document) in enumerate(steps):
        if document is None:
            store.remove(boards[which], key)
        else:
            store.put(boards[which], key, document)
        if number in stops or number == len(steps) - 1:
            delta = store.since(boards, reader.offset)
            missed = store.offset - reader.offset
            assert (delta is None) == (missed > window), "patches are had within the window, and only there"
            if delta is None:
                reader.apply(frames_in(frames.snapshot(store.snapshot(boards)))[0])
            else:
                assert delta.documents <= delta.changes == missed
                reader.apply(frames_in(frames.patch(delta))[0])
    # Compared as texts: 1, 1.0 and true are the same to Python and not to others.
    fresh = taken(store, boards)
    assert json.dumps(reader.topics, sort_keys=True) == json.dumps(fresh, sort_keys=True)


@given(DOCUMENTS, DOCUMENTS)
def test_a_difference_brings_the_old_to_the_new(old: dict[str, Any], new: dict[str, Any]) -> None:
    before = {name: json.dumps(value) for name, value in old.items()}
    after = {name: json.dumps(value) for name, value in new.items()}
    changed = diff(before, after)
    if changed is None:
        assert before.keys() - after.keys()
    else:
        assert {**before, **changed} == after


def test_only_the_changed_field_is_told_and_nothing_where_nothing_changed() -> None:
    store, board = Store(10), Board("channels")
    assert store.put(board, "main", {"name": "본방", "speed": 1.0})
    assert not store.put(board, "main", {"name": "본방", "speed": 1.0})
    at = store.offset
    assert store.put(board, "main", {"name": "본방", "speed": True}), "true is not 1.0"
    delta = store.since([board], at)
    assert delta is not None
    assert delta.set == {"channels": {"main": '{"speed":true}'}}
    assert not delta.put
    assert store.since([board], store.offset + 1) is None, "an offset that never was"


# --- readers over the hub, of all roles, that come, go, stall and come back


@dataclass
class Line:
    """A `Sink` whose far end reads when the test says so."""

    data: bytearray = field(default_factory=bytearray)
    full: bool = False
    dropped: bool = False

    def write(self, frame: bytes) -> None:
        self.data += frame

    def unsent(self) -> int:
        return 1 << 30 if self.full else 0

    def drop(self) -> None:
        self.dropped = True


@dataclass
class Client:
    role: Role | None
    topics: tuple[str, ...]
    documents: Documents = field(default_factory=Documents)
    line: Line = field(default_factory=Line)
    reader: Reader | None = None

    def read(self) -> None:
        for frame in frames_in(bytes(self.line.data)):
            self.documents.apply(frame)
        self.line.data.clear()


@dataclass(frozen=True)
class View:
    """What the owner has; `secret` is for hosts."""

    fields: dict[str, Any]
    secret: int


class Shown:
    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        assert mode == "json"
        return self._fields


def outside(view: View) -> Any:
    return Shown(view.fields)


def inside(view: View) -> Any:
    return Shown({**view.fields, "secret": view.secret})


class Histories(RuleBasedStateMachine):
    """`snapshot + patches = fresh snapshot` for whoever reads whatever way."""

    clients = Bundle("clients")

    @initialize(window=st.sampled_from([16, 4096]), backlog=st.sampled_from([2, 512]))
    def begin(self, window: int, backlog: int) -> None:
        self.now = 0.0
        self.metrics = RealtimeMetrics(CollectorRegistry())
        self.settings = RealtimeSettings(window=window, backlog=backlog)
        self.everybody: list[Client] = []
        self.restart()

    @rule()
    def restart(self) -> None:
        """The process is another one: nobody is connected, and nothing is known of offsets."""
        self.hub = Hub(Topics(no_link), self.settings, self.metrics, lambda: self.now)
        topics: Any = self.hub.topics
        topics.channels = Topic("channels", (None, outside), (Role.HOST, inside))
        topics.feeds = Topic("feeds", (Role.HOST, inside))
        self.by_name: dict[str, Topic[View]] = {"channels": topics.channels, "feeds": topics.feeds}
        for client in self.everybody:
            client.reader, client.line = None, Line()

    @rule(target=clients, role=st.sampled_from([None, *Role]), both=st.booleans())
    def make(self, role: Role | None, both: bool) -> Client:
        client = Client(role, ("channels", "feeds") if both else ("channels",))
        self.everybody.append(client)
        return client

    @rule(client=clients)
    def connect(self, client: Client) -> None:
        if client.reader is not None:
            return
        client.line = Line()
        client.reader = self.hub.join(client.line, client.role)
        asked = client.documents.epoch
        client.read()
        request = client.documents.request(client.topics)
        self.hub.hear(client.reader, request_of(json.dumps({**request, "epoch": asked}), 8))

    @rule(client=clients, lose=st.booleans())
    def disconnect(self, client: Client, lose: bool) -> None:
        """What was on its way is lost, or read."""
        if client.reader is None:
            return
        if not lose:
            client.read()
        self.hub.leave(client.reader)
        client.reader = None

    @rule(client=clients, full=st.booleans())
    def stall(self, client: Client, full: bool) -> None:
        client.line.full = full

    @rule(client=clients)
    def ask_again(self, client: Client) -> None:
        if client.reader is not None:
            self.hub.hear(client.reader, Subscribe("", dict.fromkeys(client.topics)))

    @rule(client=clients, role=st.sampled_from([None, *Role]))
    def log_in(self, client: Client, role: Role | None) -> None:
        """As another: the connection is made anew."""
        self.disconnect(client, lose=False)
        client.role = role

    @rule(topic=st.sampled_from(["channels", "feeds"]), key=KEYS, fields=DOCUMENTS, secret=st.integers(0, 3))
    def put(self, topic: str, key: str, fields: dict[str, Any], secret: int) -> None:
        self.hub.put(self.by_name[topic], key, View(fields, secret))

    @rule(topic=st.sampled_from(["channels", "feeds"]), key=KEYS)
    def remove(self, topic: str, key: str) -> None:
        self.hub.remove(self.by_name[topic], key)

    @rule(topic=st.sampled_from(["channels", "feeds"]))
    def know(self, topic: str) -> None:
        self.hub.know(self.by_name[topic], fresh=True)

    @rule()
    def flush(self) -> None:
        self.hub.flush()

    @invariant()
    def readers_who_are_told_have_the_truth(self) -> None:
        if not hasattr(self, "hub"):
            return
        self.hub.flush()
        for client in self.everybody:
            if client.reader is None or client.line.full:
                continue
            client.read()
            for name in client.topics:
                board = self.by_name[name].board(client.role)
                told = client.documents.topics.get(name)
                if board is None:
                    assert told is None, "nobody sees what is not for them"
                    assert client.documents.refused[name] in {"forbidden", "unauthenticated"}
                elif board.known:
                    assert json.dumps(told, sort_keys=True) == json.dumps(
                        taken(self.hub.store, [board])[name], sort_keys=True
                    )
                    if client.role is None or not client.role.covers(Role.HOST):
                        assert "secret" not in json.dumps(told)


class TestHistories(Histories.TestCase):  # type: ignore[misc,valid-type]  # made at run time
    settings = settings(max_examples=40, stateful_step_count=40, deadline=None)


# --- the hub's policies


@pytest.fixture
def hub() -> Hub:
    made = Hub(
        Topics(no_link),
        RealtimeSettings(backlog=5, stall_seconds=10, beat_seconds=20),
        RealtimeMetrics(CollectorRegistry()),
        lambda: made_now[0],
    )
    made_now[0] = 0.0
    topics: Any = made.topics
    topics.channels = Topic("channels", (None, outside), (Role.HOST, inside))
    made.know(topics.channels, fresh=True)
    return made


made_now = [0.0]


def joined(hub: Hub, *topics: str) -> Client:
    client = Client(None, topics)
    client.reader = hub.join(client.line, None)
    hub.hear(client.reader, Subscribe("", dict.fromkeys(topics)))
    client.read()
    return client


def put(hub: Hub, key: str, n: int) -> None:
    channels: Any = hub.topics.channels
    hub.put(channels, key, View({"n": n}, 0))


def value(metric: Any) -> float:
    return metric._value.get()  # type: ignore[no-any-return]


def test_one_who_does_not_read_gets_a_snapshot_instead_of_the_backlog(hub: Hub) -> None:
    slow, quick = joined(hub, "channels"), joined(hub, "channels")
    slow.line.full = True
    for n in range(20):
        put(hub, "main", n)
        hub.flush()
    assert not slow.line.data, "nothing is queued for it"
    slow.line.full = False
    hub.flush()
    slow.read()
    quick.read()
    assert slow.documents.topics == quick.documents.topics
    assert (slow.documents.counts["snapshot"], slow.documents.counts.get("patch", 0)) == (2, 0)
    assert quick.documents.counts["patch"] == 20
    assert value(hub._metrics.snapshots.labels("behind")) == 1


def test_a_short_pause_costs_one_coalesced_patch(hub: Hub) -> None:
    slow = joined(hub, "channels")
    slow.line.full = True
    for n in range(4):
        put(hub, "main", n)
        hub.flush()
    slow.line.full = False
    hub.flush()
    slow.read()
    assert slow.documents.topics["channels"]["main"] == {"n": 3}
    assert slow.documents.counts["patch"] == 1
    assert value(hub._metrics.coalesced) == 3


def test_one_who_goes_on_not_reading_is_dropped_and_counted(hub: Hub) -> None:
    stuck, fine = joined(hub, "channels"), joined(hub, "channels")
    stuck.line.full = True
    hub.drop_stuck(0.0)
    hub.drop_stuck(9.9)
    assert hub.readers == {stuck.reader, fine.reader}
    hub.drop_stuck(10.0)
    assert stuck.line.dropped
    assert not fine.line.dropped
    assert hub.readers == {fine.reader}
    assert value(hub._metrics.evicted.labels("stalled")) == 1


def test_one_who_is_silent_is_dropped(hub: Hub) -> None:
    silent, fine = joined(hub, "channels"), joined(hub, "channels")
    assert fine.reader is not None
    hub.beat(20.0)
    silent.read()
    assert silent.documents.counts["beat"] == 1
    fine.reader.heard = 20.0
    hub.beat(41.0)
    assert silent.line.dropped
    assert not fine.line.dropped
    assert value(hub._metrics.evicted.labels("silent")) == 1


def test_a_flood_of_requests_from_one_who_does_not_read_is_not_answered(hub: Hub) -> None:
    client = joined(hub, "channels")
    assert client.reader is not None
    client.line.full = True
    for _ in range(100):
        hub.hear(client.reader, Subscribe("", {"channels": None, "nothing": None}))
    assert not client.line.data


def test_what_is_unsubscribed_is_not_told(hub: Hub) -> None:
    client = joined(hub, "channels")
    assert client.reader is not None
    hub.hear(client.reader, Unsubscribe(["channels"]))
    put(hub, "main", 1)
    hub.flush()
    assert not client.line.data


# --- what clients send


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 5000,
        '{"type":"subscribe"}',
        '{"type":"subscribe","topics":["channels"]}',
        '{"type":"subscribe","topics":{"channels":-1}}',
        '{"type":"subscribe","topics":{"channels":1.5}}',
        '{"type":"subscribe","topics":{"channels":true}}',
        '{"type":"subscribe","topics":{"channels":NaN}}',
        '{"type":"subscribe","epoch":3,"topics":{}}',
        '{"type":"unsubscribe","topics":[1]}',
        '{"type":"publish","topics":{}}',
        '{"type":["subscribe"],"topics":{}}',
        json.dumps({"type": "subscribe", "topics": dict.fromkeys("abcdefghi")}),
    ],
)
def test_what_means_nothing_is_malformed(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        request_of(text, 8)
    assert 0 < len(str(caught.value).encode()) <= 123, "fits a close frame (RFC 6455 §5.5)"


@given(st.text(max_size=60))
def test_no_text_does_more_than_be_malformed(text: str) -> None:
    with contextlib.suppress(MalformedError):
        request_of(text, 8)


def test_a_request_is_read() -> None:
    request = request_of('{"type":"subscribe","epoch":"e","topics":{"channels":7,"shows":null},"new":1}', 8)
    assert request == Subscribe("e", {"channels": 7, "shows": None})
    assert request_of('{"type":"unsubscribe","topics":["shows"]}', 8) == Unsubscribe(["shows"])


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_frames_of_all_lengths(size: int) -> None:
    text = json.dumps("x" * size)[: size + 2]
    assert frames_in(frames.frame(text) + frames.PING + frames.frame("{}")) == ["x" * size, {}]
