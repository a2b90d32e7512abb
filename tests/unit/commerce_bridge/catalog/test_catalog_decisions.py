"""What is decided without a shop: when it is asked again, when a night is, what is watched, what goes into one answer."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_bridge.catalog import circuit, progress
from commerce_bridge.catalog.circuit import Circuit
from commerce_bridge.catalog.nights import DAY, SECOND, night_before, pass_due
from commerce_bridge.catalog.views import fitting, how_many_fit, size_of, view_of
from commerce_bridge.catalog.watching import KEPT, Watched
from commerce_bridge.model.errors import ShopDownError, ShopError, ShopLiedError, ShopRefusedError
from commerce_bridge.model.product import Stock, Variant
from commerce_bridge.ports import BadRow, Batch, Kept
from tests.support.goods import product

DOWN = ShopDownError("away")


def failed(times: int, error: ShopError = DOWN, chance: float = 0.0) -> Circuit:
    state = Circuit()
    for _ in range(times):
        state = state.failed(100.0, error, chance)
    return state


def test_the_waits_double_up_to_a_limit() -> None:
    assert [failed(n).wait(100.0) for n in (0, 1, 2, 3, 4, 6, 7, 5000)] == [0, 1, 2, 4, 8, 32, 60, 60]
    assert failed(3).wait(103.5) == 0.5
    assert failed(3).wait(200.0) == 0
    assert failed(3).answered() == Circuit()


def test_the_shop_says_when_within_an_hour() -> None:
    assert failed(1, ShopDownError("busy", retry_after=40)).wait(100) == 40
    assert failed(9, ShopDownError("busy", retry_after=40)).wait(100) == 60
    assert failed(1, ShopDownError("busy", retry_after=1e9)).wait(100) == circuit.LONGEST
    assert failed(1, ShopRefusedError("no")).wait(100) == circuit.REFUSED


def test_an_answer_that_makes_no_sense_is_an_answer() -> None:
    assert failed(3).failed(100.0, ShopLiedError("what"), 0.0) == Circuit()


def test_when_the_wait_is_over_one_tries() -> None:
    state = failed(2).tried(102.0)
    assert state.wait(102.0) == circuit.TRIAL
    with pytest.raises(ValueError, match="not to be asked"):
        state.tried(103.0)
    assert state.failed(103.0, DOWN, 0.0).wait(103.0) == 4
    assert Circuit().tried(5.0) == Circuit()  # of a shop that answers everybody may ask


@given(st.integers(1, 3000), st.floats(0, 1))
def test_no_wait_is_over_the_limit_and_its_jitter(times: int, chance: float) -> None:
    wait = failed(min(times, 80), chance=chance).wait(100.0)
    assert circuit.FIRST <= wait <= circuit.LIMIT * (1 + circuit.JITTER)


@given(st.integers(0, 2 * 10**15), st.integers(0, 1439))
def test_a_night_is_within_a_day_and_at_its_minute_in_korea(now: int, minute: int) -> None:
    night = night_before(now, minute)
    assert now - DAY < night <= now
    there = datetime.fromtimestamp(night // SECOND + 9 * 3600, tz=UTC)
    assert (there.hour * 60 + there.minute, there.second, night % SECOND) == (minute, 0, 0)


def test_a_pass_is_due_at_first_at_night_and_now_and_then() -> None:
    noon = int(datetime(2026, 3, 2, 3, 0, tzinfo=UTC).timestamp()) * SECOND  # 12:00 in Korea
    four = 4 * 60
    assert pass_due(noon, done=0, minute=four, every=0)
    assert not pass_due(noon, done=noon - 7 * 3600 * SECOND, minute=four, every=0)
    assert pass_due(noon, done=noon - 9 * 3600 * SECOND, minute=four, every=0)
    assert pass_due(noon, done=noon - 3600 * SECOND, minute=four, every=3600)
    assert not pass_due(noon, done=noon - 3599 * SECOND, minute=four, every=3600)


def test_what_is_watched_is_forgotten_when_nobody_says_it_again() -> None:
    watched = Watched(limit=3)
    for n in range(4):
        watched.add(f"id{n}", "mall" if n % 2 else "farm", f"k{n}", float(n))
    assert watched.of(["id3", "id0", "id1"], 4.0) == ["id3", "id1"]
    assert watched.keys("mall", 4.0) == ["k1", "k3"]
    watched.add("id1", "mall", "k1", 10.0)
    assert watched.keys("mall", 3.0 + KEPT) == ["k1"]
    assert watched.count(10.0 + KEPT) == 0


def test_progress_counts_and_keeps_the_first_bad_rows() -> None:
    view = progress.begun(5)
    bad = [BadRow(n, "price", "0") for n in range(70)]
    view = progress.went_on(view, Batch([product(1)] * 30, bad, total=400), 7)
    assert (view.rows, view.done, view.bad, len(view.bad_rows)) == (100, 0.25, 70, 70)
    view = progress.went_on(view, Batch([], bad, done=0.9), 1)
    assert (view.rows, view.done, view.bad, len(view.bad_rows), view.changed) == (170, 0.9, 140, 100, 8)
    assert progress.ended(view, 9, error="away").done == 0.9
    done = progress.ended(view, 9, gone=3)
    assert (done.running, done.ended, done.gone, done.done, done.error) == (False, 9, 3, 1.0, "")


def test_an_answer_is_never_larger_than_a_message() -> None:
    large = product(
        1,
        description="가" * 4000,
        variants=tuple(Variant(f"v{n}", 100, title="나" * 100, stock=Stock(1)) for n in range(100)),
    )
    views = [view_of(Kept(large, 1))] * 40
    each = size_of(views[0])
    assert how_many_fit(views, 10 * each) == 10
    assert how_many_fit(views, 1) == 1
    assert how_many_fit(views, 40 * each) == 40
    assert how_many_fit([], 1) == 0
    assert fitting(views, 40 * each) == views
    told = fitting(views, 35 * each)
    assert [len(view.variants) for view in told] == [100] * 40
    assert sum(map(size_of, told)) <= 35 * each
    told = fitting(views, 20 * each)
    assert sum(map(size_of, told)) <= 20 * each
    assert len(told) == 40
    assert (told[0].price, told[0].saleable) == (100, 100)  # of all variants
