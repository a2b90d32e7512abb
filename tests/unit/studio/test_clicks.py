"""Clicks on purchase links as the studio hears of them."""

from __future__ import annotations

from typing import Any

import pytest

from commerce_bridge.contracts.links import LinkClicked
from studio.showlog.programme import ProgrammeTimes
from studio.shows.clicks import AHEAD, MOST_PER_SECOND, Clicks
from studio.shows.newsroom import Newsroom

START = 1_700_000_000_000_000
NOW = START + 60_000_000
OFFSET = 250_000
"""How far the channel's programme time is ahead of the wall clock."""


class Noted:
    """A journal that only remembers."""

    def __init__(self, show: str) -> None:
        self.show = show
        self.entries: list[dict[str, Any]] = []

    def note(self, type_: str, *, at: int, time: int, data: dict[str, Any]) -> None:
        self.entries.append({"type": type_, "at": at, "time": time, **data})


class Desk:
    def __init__(self) -> None:
        times = ProgrammeTimes()
        times.learn("main", wall=START, programme=START + OFFSET)
        self.newsroom = Newsroom(times)
        self.clicks = Clicks(self.newsroom, times)
        self.journal: Any = Noted("s1")

    def on_air(self) -> None:
        self.newsroom.on_air("main", self.journal, since=START)

    def click(self, **fields: Any) -> None:
        told = {"click": "c1", "product": "p1", "show": "s1", "origin": "page", "at": NOW, **fields}
        self.clicks.hear(LinkClicked(**told))


@pytest.fixture
def desk() -> Desk:
    made = Desk()
    made.on_air()
    return made


def test_a_click_is_in_the_log_of_its_live_show(desk: Desk) -> None:
    desk.click(time=NOW - 8_000_000)
    assert desk.journal.entries == [
        {
            "type": "click",
            "at": NOW,
            "time": NOW - 8_000_000,
            "click": "c1",
            "product": "p1",
            "origin": "page",
        }
    ]
    assert desk.clicks.results["logged"] == 1


@pytest.mark.parametrize("time", [None, 0, START - 1, NOW + OFFSET + AHEAD + 1, 10**17])
def test_a_time_that_cannot_be_is_now(desk: Desk, time: int | None) -> None:
    desk.click(time=time)
    assert desk.journal.entries[0]["time"] == NOW + OFFSET


@pytest.mark.parametrize("time", [START, NOW + OFFSET + AHEAD])
def test_a_time_within_the_show_is_believed(desk: Desk, time: int) -> None:
    desk.click(time=time)
    assert desk.journal.entries[0]["time"] == time


def test_clicks_of_other_shows_are_only_counted(desk: Desk) -> None:
    desk.click(show="s2")
    desk.click(show="")
    assert (desk.journal.entries, desk.clicks.results["not_live"]) == ([], 2)
    desk.newsroom.off_air("main", desk.journal)
    desk.click()
    assert (desk.journal.entries, desk.clicks.results["not_live"]) == ([], 3)


def test_a_program_is_only_counted(desk: Desk) -> None:
    desk.click(bot=True)
    assert (desk.journal.entries, desk.clicks.results["program"]) == ([], 1)


def test_a_storm_of_clicks_does_not_fill_the_log(desk: Desk) -> None:
    for _ in range(MOST_PER_SECOND + 50):
        desk.click()
    assert len(desk.journal.entries) == MOST_PER_SECOND
    assert desk.clicks.results["beyond"] == 50
    desk.click(at=NOW + 1_000_000)
    assert len(desk.journal.entries) == MOST_PER_SECOND + 1
