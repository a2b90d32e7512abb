from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from media.mix.messages import Message
from media.mix.switcher import Change, Program, Selection, Shown, SwitcherState, step
from media.mix.timeline import InputHealth

TICK = 1 / 30


class Feeds:
    """Feeds whose pictures and sound are switched on and off; health as a timeline would tell it."""

    def __init__(self, *names: str) -> None:
        self.pictures = dict.fromkeys(names, False)
        self.sounds = dict.fromkeys(names, False)
        self.health = {name: InputHealth() for name in names}

    def tick(self) -> Mapping[str, InputHealth]:
        for name, old in self.health.items():
            age = 0.0 if self.pictures[name] else None if old.age is None else old.age + TICK
            heard = 0.0 if self.sounds[name] else None if old.sound_age is None else old.sound_age + TICK
            fresh = age is not None and age < 0.3
            self.health[name] = InputHealth(
                age=age,
                continuous=old.continuous + TICK if fresh and old.age is not None and old.age < 0.3 else 0.0,
                sound_age=heard,
                sound_continuous=old.sound_continuous + TICK if heard is not None and heard < 0.1 else 0.0,
            )
        return self.health


class Air:
    """A switcher and what it did."""

    def __init__(self, feeds: Feeds) -> None:
        self.feeds, self.state, self.tick = feeds, SwitcherState(), 0
        self.changes: list[Change] = []
        self.program = Program()

    def run(self, seconds: float) -> Selection:
        for _ in range(round(seconds / TICK)):
            self.state, selection, changes = step(
                self.state, self.feeds.tick(), self.program, self.tick, TICK
            )
            assert selection == self.state.selection
            assert all(change.tick == self.tick for change in changes)
            self.changes += changes
            self.tick += 1
        return self.state.selection

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(change.picture, change.reason) for change in self.changes]


def on_air(*names: str, program: Program) -> Air:
    feeds = Feeds(*names)
    for name in names:
        feeds.pictures[name] = feeds.sounds[name] = True
    air = Air(feeds)
    air.program = program
    air.run(2)
    return air


def test_first_appearance_takes_300_ms() -> None:
    air = on_air("a", program=Program("a", command="c1"))
    (change,) = [change for change in air.changes if change.picture == "a"]
    assert change.reason == "appeared"
    assert change.command == "c1"
    assert 0.27 <= change.tick * TICK <= 0.37
    assert air.state.selection.sound == "a"


def test_freeze_then_slate_then_return_after_a_second() -> None:
    air = on_air("a", program=Program("a"))
    air.changes.clear()
    air.feeds.pictures["a"] = air.feeds.sounds["a"] = False
    begin = air.tick
    assert air.run(1).shown is Shown.FREEZE
    selection = air.run(2)
    assert (selection.shown, selection.message) == (Shown.SLATE, Message.TROUBLE)
    air.feeds.pictures["a"] = air.feeds.sounds["a"] = True
    again = air.tick
    air.run(2)
    assert air.told == [("freeze", "frozen"), ("slate", "lost"), ("a", "returned")]
    times = [change.tick for change in air.changes]
    assert abs((times[0] - begin) * TICK - 0.3) < 0.05
    assert abs((times[1] - begin) * TICK - 2.0) < 0.05
    assert abs((times[2] - again) * TICK - 1.0) < 0.1


def test_short_freeze_ends_at_once() -> None:
    air = on_air("a", program=Program("a"))
    air.changes.clear()
    air.feeds.pictures["a"] = False
    air.run(1)
    air.feeds.pictures["a"] = True
    air.run(0.1)
    assert air.told == [("freeze", "frozen"), ("a", "returned")]


def test_backup_steps_in_and_program_returns_after_a_second() -> None:
    air = on_air("a", "b", program=Program("a", "b"))
    air.changes.clear()
    air.feeds.pictures["a"] = False
    assert air.run(0.5).feed == "b"
    air.feeds.pictures["a"] = True
    assert air.run(0.8).feed == "b"
    assert air.run(0.5).feed == "a"
    assert air.told == [("b", "backup"), ("a", "returned")]


def test_flapping_program_does_not_flap_the_air() -> None:
    air = on_air("a", "b", program=Program("a", "b"))
    air.changes.clear()
    for _ in range(20):
        air.feeds.pictures["a"] = False
        air.run(0.4)
        air.feeds.pictures["a"] = True
        air.run(0.6)
    assert air.told == [("b", "backup")]


def test_command_cuts_in_the_same_tick_where_the_feed_is_there() -> None:
    air = on_air("a", "b", program=Program("a"))
    air.changes.clear()
    air.program = Program("b", command="c2")
    tick = air.tick
    air.run(TICK)
    assert air.changes == [Change(tick, "b", "command", "c2")]
    assert air.state.selection.sound == "b"


def test_feed_that_is_not_there_yet_holds_the_former_one_for_two_seconds() -> None:
    air = on_air("a", program=Program("a"))
    air.feeds.pictures["c"] = air.feeds.sounds["c"] = False
    air.feeds.health["c"] = InputHealth()
    air.changes.clear()
    air.program = Program("c", command="c3")
    assert air.run(1.5).feed == "a"
    assert air.run(1.0).shown is Shown.SLATE
    air.feeds.pictures["c"] = True
    air.run(1)
    assert air.told == [("slate", "waiting"), ("c", "appeared")]


def test_backup_does_not_flash_up_while_the_feed_asked_for_settles() -> None:
    air = on_air("a", "b", program=Program("a", "b"))
    air.feeds.pictures["c"] = air.feeds.sounds["c"] = True
    air.feeds.health["c"] = InputHealth()
    air.changes.clear()
    air.program = Program("c", "b", command="c3")
    air.run(1)
    assert air.told == [("c", "command")]


def test_backup_steps_in_where_the_feed_asked_for_does_not_come() -> None:
    air = on_air("a", "b", program=Program("a", "b"))
    air.feeds.pictures["c"] = air.feeds.sounds["c"] = False
    air.feeds.health["c"] = InputHealth()
    air.changes.clear()
    air.program = Program("c", "b", command="c3")
    assert air.run(1.5).feed == "a"
    assert air.run(1.0).feed == "b"
    air.feeds.pictures["b"] = False
    air.run(3)
    assert air.told[:2] == [("b", "backup"), ("freeze", "frozen")]


def test_off_is_a_slate_at_once() -> None:
    air = on_air("a", program=Program("a"))
    air.changes.clear()
    air.program = Program(None, command="c4")
    selection = air.run(TICK)
    assert (selection.shown, selection.sound, selection.message) == (Shown.SLATE, None, Message.BREAK)
    assert air.changes[0].command == "c4"


def test_sound_alone_is_heard_under_the_slate() -> None:
    feeds = Feeds("a")
    feeds.sounds["a"] = True
    air = Air(feeds)
    air.program = Program("a")
    selection = air.run(3)
    assert (selection.shown, selection.sound, selection.message) == (Shown.SLATE, "a", Message.SOUND_ONLY)


def test_picture_alone_is_silent() -> None:
    feeds = Feeds("a")
    feeds.pictures["a"] = True
    air = Air(feeds)
    air.program = Program("a")
    assert air.run(1) == replace(air.state.selection, shown=Shown.FEED, feed="a", sound=None)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b"]),
            st.booleans(),
            st.booleans(),
            st.floats(0.03, 3),
            st.sampled_from([None, Program("a"), Program("a", "b"), Program("b", "a"), Program(None)]),
        ),
        max_size=25,
    )
)
def test_what_is_shown_is_always_there(moves: list[tuple[str, bool, bool, float, Program | None]]) -> None:
    air = on_air("a", "b", program=Program("a", "b"))
    for name, picture, sound, seconds, program in moves:
        air.feeds.pictures[name], air.feeds.sounds[name] = picture, sound
        air.program = program or air.program
        for _ in range(round(seconds / TICK)):
            selection = air.run(TICK)
            if selection.shown is Shown.FEED:
                assert selection.feed
                assert air.feeds.health[selection.feed].moving
            if selection.shown is Shown.FREEZE:
                assert (air.feeds.health[selection.feed or ""].age or 0) < 2
            assert selection.shown is not Shown.SLATE or selection.feed is None
    ticks = [change.tick for change in air.changes]
    assert ticks == sorted(set(ticks)), "one change a tick"
