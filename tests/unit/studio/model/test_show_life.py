from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.model.errors import ConflictError, InvalidError
from studio.model.show import Show, ShowState, abandon, begin, change, draft, end, went_live

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["begin", "abandon", "live", "end", "title", "channel"]), st.integers(1, 10**16)
    ),
    max_size=30,
)


def step(show: Show, what: str, at: int) -> Show:
    match what:
        case "begin":
            return begin(show)
        case "abandon":
            return abandon(show)
        case "live":
            return went_live(show, started=at)
        case "end":
            return end(show, ended=at)
        case "title":
            return change(show, version=show.version, title=f"title {at}", channel=None)
        case _:
            return change(show, version=show.version, title=None, channel=f"c{at}")


@given(STEPS)
def test_whatever_is_tried_the_life_runs_one_way(steps: list[tuple[str, int]]) -> None:
    show = draft(show="s1", title="Bread", channel="main", created=1)
    order = list(ShowState)
    recordings = []
    for what, at in steps:
        before = show
        try:
            show = step(show, what, at)
        except ConflictError:
            continue
        assert order.index(before.state) <= order.index(show.state)
        assert before.version <= show.version <= before.version + 1
        assert (show.started > 0) == (show.state is not ShowState.DRAFT)
        assert (show.ended > 0) == (show.state is ShowState.ENDED)
        assert show.ended == 0 or show.ended >= show.started
        assert not (show.pending and show.state is not ShowState.DRAFT)
        if show.state is not ShowState.DRAFT:
            assert show.channel == before.channel
        if what == "begin":
            recordings.append(show.recording)
    assert len(set(recordings)) == len(recordings)


def test_a_stale_version_is_refused_and_names_its_field() -> None:
    show = draft(show="s1", title="Bread", channel="main", created=1)
    with pytest.raises(ConflictError) as refused:
        change(show, version=2, title="Cake", channel=None)
    assert refused.value.field == "version"


def test_the_same_values_are_no_change() -> None:
    show = draft(show="s1", title="Bread", channel="main", created=1)
    assert change(show, version=1, title=" Bread ", channel="main") == show


@pytest.mark.parametrize("title", ["", "  \n", "x" * 201])
def test_a_title_is_wanted_and_bounded(title: str) -> None:
    with pytest.raises(InvalidError) as refused:
        draft(show="s1", title=title, channel="main", created=1)
    assert refused.value.field == "title"


@pytest.mark.parametrize("channel", ["", "Main", "a b", "../x", "-a", "x" * 41])
def test_a_channel_is_an_id(channel: str) -> None:
    with pytest.raises(InvalidError) as refused:
        draft(show="s1", title="Bread", channel=channel, created=1)
    assert refused.value.field == "channel"
