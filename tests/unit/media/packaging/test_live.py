from __future__ import annotations

import gzip
import time
from dataclasses import replace

import pytest

from media.model.channel import ChannelSpec, Rung
from media.model.errors import EngineError
from media.model.time import ProgrammeTime
from media.packaging.live import (
    MAX_DATERANGES,
    MIN_SEGMENTS,
    Held,
    LiveChannel,
    Missing,
    Ready,
    Refused,
    Stored,
    Wait,
)
from media.packaging.parts import AUDIO
from media.packaging.playlist import DateRange, MediaPlaylist
from media.packaging.playlist_parser import parse_media, parse_multivariant
from media.ports import TapeInit, TapeSegment
from tests.conformance.synthetic import ANCHOR, SPEC, open_channel, parts

NAMES = ("v360", "v180", AUDIO)


def run(live: LiveChannel, segments: int, first_msn: int = 0, *, record: bool = True) -> None:
    for part in parts(live.spec, live.epoch, first_msn, live.anchor, segments):
        live.add(part)
        if part.last and record:
            live.stored(part.rendition, part.msn)


def fresh(segments: int, spec: ChannelSpec = SPEC, *, record: bool = True) -> LiveChannel:
    live = LiveChannel(spec, 1, ANCHOR)
    open_channel(live)
    run(live, segments, record=record)
    return live


def read(live: LiveChannel, rendition: str = "v360", *, skip: bool = False) -> MediaPlaylist:
    found = live.playlist(rendition, skip=skip)
    assert isinstance(found, Ready)
    assert gzip.decompress(found.gzipped) == found.body
    return parse_media(found.body.decode())


def tape(
    epoch: int, msns: range, *, seconds: int = 2, missing: tuple[tuple[str, int], ...] = ()
) -> list[TapeSegment]:
    return [
        TapeSegment("c", epoch, name, msn, ProgrammeTime(ANCHOR - (100 - msn) * 2_000_000), (msn - msns.start) * 2_000,
                    seconds * 1000, 1000, 9, f"c/{name}/{epoch}-{msn}.m4s")
        for msn in msns for name in NAMES if (name, msn) not in missing
    ]  # fmt: skip


def inits(*epochs: int) -> list[TapeInit]:
    return [TapeInit("c", e, name, f"c/{name}/init-{e}.mp4", "avc1.640015") for e in epochs for name in NAMES]


def test_the_first_playlist_waits_for_a_segment() -> None:
    live = LiveChannel(SPEC, 1, ANCHOR)
    assert isinstance(live.multivariant(), Wait)
    open_channel(live)
    assert live.playlist("v360") == Wait((0, None))
    before = live.ready
    run(live, 1)
    assert (before, live.ready) == (False, True)
    assert len(read(live).segments) == 1


def test_the_multivariant_playlist_lists_all_and_never_changes() -> None:
    live = LiveChannel(SPEC, 1, ANCHOR)
    open_channel(live)
    first = live.multivariant()
    assert isinstance(first, Ready)
    run(live, 4)
    assert live.multivariant() is first
    found = parse_multivariant(first.body.decode())
    assert [variant.uri for variant in found.variants] == [f"{name}/index.m3u8" for name in NAMES]
    assert [variant.codecs.count(",") for variant in found.variants] == [1, 1, 0]
    # A two-second segment holds two seconds at the bit rate and one full buffer.
    assert found.variants[0].bandwidth >= 1.5 * 500_000 + 128_000


@pytest.mark.parametrize(
    ("msn", "part", "what"),
    [(None, 0, 400), (6, None, 400), (3, 1000, 400), (-1, None, 400), (1, 1000, 400), (0, None, Ready), (3, None, Ready),
     (3, 5, Ready), (3, 6, Wait((4, 0))), (4, 0, Wait((4, 0))), (5, None, Wait((5, None))), (5, 7, Wait((6, 0)))],
)  # fmt: skip
def test_blocking_reload(msn: int | None, part: int | None, what: object) -> None:
    found = fresh(4).playlist("v360", msn, part)  # segments 0 to 3 are whole
    if isinstance(what, int):
        assert isinstance(found, Refused)
        assert found.status == what
    elif isinstance(what, Wait):
        assert found == what
    else:
        assert isinstance(found, Ready)


def test_objects_move_from_memory_to_the_tape() -> None:
    live = fresh(20)
    assert isinstance(live.find("v360", "1-19.m4s"), Held)
    assert isinstance(live.find("v360", "1-12.3.m4s"), Held)
    assert live.find("v360", "1-3.m4s") == Stored("c/v360/1-3.m4s")
    assert live.find("v360", "1-20.0.m4s") == Wait((20, 0))
    for name in (
        "1-20.1.m4s",
        "1-3.0.m4s",
        "2-3.m4s",
        "1-20.m4s",
        "init-2.mp4",
        "../1-3.m4s",
        "1-3.m4s\n",
        "01-3.m4s",
        "",
    ):
        assert isinstance(live.find("v360", name), Missing), name
    assert isinstance(live.find("none", "1-19.m4s"), Missing)
    assert isinstance(live.find("v360", "init-1.mp4"), Held)


def test_memory_is_bounded_however_long_it_runs() -> None:
    short, long = fresh(12), fresh(60)
    assert long.in_memory <= short.in_memory * 1.01


def test_the_window_follows_dvr_seconds_in_all_renditions_alike() -> None:
    live = fresh(50)  # 60 s of DVR
    heads = {name: (read(live, name).media_sequence, len(read(live, name).segments)) for name in NAMES}
    assert set(heads.values()) == {(20, 30)}


def test_what_the_recorder_never_confirmed_leaves_every_rendition() -> None:
    live = fresh(20, record=False)
    lists = {name: read(live, name) for name in NAMES}
    assert {playlist.media_sequence for playlist in lists.values()} == {12}
    assert live.cut_unrecorded == 12
    assert isinstance(live.find("v360", "1-11.m4s"), Held), (
        "it lingers for those that read the older playlist"
    )


def test_a_window_without_dvr_lists_six_segments() -> None:
    live = fresh(20, replace(SPEC, dvr_seconds=0))
    assert len(read(live).segments) == MIN_SEGMENTS


def test_parts_are_listed_for_three_target_durations() -> None:
    listed = [len(entry.parts) for entry in read(fresh(10)).segments]
    assert listed == [0] * 7 + [6] * 3


def test_delta_updates_are_the_whole_list_shortened() -> None:
    live = fresh(20)
    full, delta = read(live), read(live, skip=True)
    assert delta.skip is not None
    assert delta.segments == full.segments[delta.skip.segments :]
    assert sum(entry.duration for entry in delta.segments) >= 12_000_000
    assert delta.media_sequence == full.media_sequence


def test_a_new_epoch_goes_on_where_the_tape_ends() -> None:
    live = LiveChannel(SPEC, 3, ANCHOR, tape(1, range(90, 100)), inits(1), ANCHOR, first_msn=100)
    open_channel(live)
    before = read(live)
    assert (before.media_sequence, before.discontinuity_sequence, before.preload_hint) == (90, 0, None)
    run(live, 1, 100)
    found = read(live)
    assert [entry.discontinuities for entry in found.segments] == [0] * 10 + [2], (
        "epoch 2 left nothing but counts"
    )
    assert (found.segments[0].map, found.segments[10].map) == ("init-1.mp4", "init-3.mp4")
    assert live.find("v360", "1-95.m4s") == Stored("c/v360/1-95.m4s")
    assert live.find("v360", "init-1.mp4") == Stored("c/v360/init-1.mp4")


def test_a_delta_never_skips_a_discontinuity() -> None:
    live = LiveChannel(SPEC, 2, ANCHOR, tape(1, range(90, 100)), inits(1), ANCHOR, first_msn=100)
    open_channel(live)
    seen = set()
    for part in parts(SPEC, 2, 100, ANCHOR, 12):
        live.add(part)
        delta, full = read(live, skip=True), read(live)
        seen.add(delta.skip is None)
        assert sum(entry.discontinuities for entry in delta.segments) == sum(
            e.discontinuities for e in full.segments
        )
    assert seen == {True, False}


def test_discontinuity_sequence_is_right_when_old_epochs_leave() -> None:
    past = tape(7_001, range(90, 100))
    live = LiveChannel(SPEC, 7_002, ANCHOR, past, inits(7_001), ANCHOR, first_epoch=7_000, first_msn=100)
    open_channel(live)
    assert read(live).discontinuity_sequence == 1, "counted from the channel's first epoch"
    run(live, 40, 100)
    found = read(live)
    assert (found.media_sequence, found.discontinuity_sequence) == (110, 2)
    assert found.segments[0].map == "init-7002.mp4"
    assert not any(entry.discontinuities for entry in found.segments)
    assert read(live, skip=True).skip is not None


def test_holes_in_the_tape_are_gaps_in_all_renditions_and_long_holes_end_it() -> None:
    history = tape(1, range(80, 97), missing=(("v180", 93),))
    live = LiveChannel(SPEC, 2, ANCHOR, history, inits(1), ANCHOR, first_msn=100)
    open_channel(live)
    for name in NAMES:
        assert [msn for msn, entry in enumerate(read(live, name).segments, 80) if entry.gap] == [
            93,
            97,
            98,
            99,
        ]
    assert isinstance(live.find("v360", "1-93.m4s"), Missing)
    far = LiveChannel(SPEC, 2, ANCHOR, history, inits(1), ANCHOR, first_msn=110)
    assert isinstance(far.playlist("v360"), Wait)


def test_history_that_the_targets_forbid_or_that_is_old_is_not_listed() -> None:
    long = tape(1, range(90, 95), seconds=4) + tape(1, range(95, 100))
    live = LiveChannel(SPEC, 2, ANCHOR, long, inits(1), ANCHOR, first_msn=100)
    assert read(live).media_sequence == 95
    live = LiveChannel(SPEC, 2, ANCHOR, tape(1, range(50, 100)), inits(1), ANCHOR, first_msn=100)
    assert read(live).media_sequence == 70
    assert isinstance(LiveChannel(SPEC, 2, ANCHOR, long, [], ANCHOR, first_msn=100).playlist("v360"), Wait)


def test_date_ranges_are_listed_replaced_bounded_and_leave() -> None:
    live = fresh(20)
    live.daterange(DateRange("a", ANCHOR, 1_000_000, class_="card"))
    live.daterange(DateRange("a", ANCHOR, 2_000_000, class_="card"))
    assert [item.duration for item in read(live).dateranges] == [2_000_000]
    assert read(live, skip=True).dateranges == read(live).dateranges
    for number in range(MAX_DATERANGES + 5):
        live.daterange(DateRange(f"n{number}", ProgrammeTime(ANCHOR + 10**12)))
    assert len(read(live).dateranges) == MAX_DATERANGES
    live = LiveChannel(SPEC, 1, ANCHOR)
    open_channel(live)
    live.daterange(DateRange("a", ANCHOR, 1_000_000))
    run(live, 40)
    assert read(live).dateranges == ()


def test_an_open_date_range_stays_until_it_has_an_end() -> None:
    live = LiveChannel(SPEC, 1, ANCHOR)
    open_channel(live)
    live.daterange(DateRange("a", ANCHOR, class_="card"))
    for part in parts(SPEC, 1, 0, ANCHOR, 41):
        if part.msn == 40 and part.index == 0 and part.rendition == "v360":
            assert [item.id for item in read(live).dateranges] == ["a"]
            live.daterange(DateRange("a", ANCHOR, 1_000_000, class_="card"))
        live.add(part)
        if part.last:
            live.stored(part.rendition, part.msn)
    assert read(live).dateranges == ()


def test_a_part_that_does_not_continue_is_refused() -> None:
    live = LiveChannel(SPEC, 1, ANCHOR)
    one, two, *_ = [part for part in parts(SPEC, 1, 0, ANCHOR, 1) if part.rendition == "v360"]
    with pytest.raises(EngineError, match="init"):
        live.add(one)
    open_channel(live)
    for wrong in (
        two,
        replace(one, epoch=2),
        replace(one, msn=1),
        replace(one, decode_time=1),
        replace(one, timescale=1),
    ):
        with pytest.raises(EngineError, match="due"):
            live.add(wrong)
    live.add(one)
    with pytest.raises(EngineError, match="due"):
        live.add(one)


def test_a_rendition_that_stops_is_noticed() -> None:
    live = LiveChannel(SPEC, 1, ANCHOR)
    open_channel(live)

    def all_but_one() -> None:
        for part in parts(SPEC, 1, 0, ANCHOR, 20):
            if part.rendition != "v180":
                live.add(part)

    with pytest.raises(EngineError, match="v180 fell"):
        all_but_one()


def test_a_render_does_not_grow_with_the_window() -> None:
    """Guards the cached head of the list: without it a part costs as much as the window is long."""
    spec = replace(SPEC, ladder=(Rung(180, 200_000),), dvr_seconds=3600)
    live = LiveChannel(spec, 1, ANCHOR)
    open_channel(live)
    costs: list[float] = []
    for part in parts(spec, 1, 0, ANCHOR, 950):
        start = time.perf_counter()
        live.add(part)
        found = live.playlist(part.rendition)
        costs.append(time.perf_counter() - start)
        if part.last:
            live.stored(part.rendition, part.msn)
        assert part.msn == 0 or isinstance(found, Ready)
    late = sorted(costs[-600:])
    assert late[300] < 0.001, "median per part and rendition with 900 segments listed"
