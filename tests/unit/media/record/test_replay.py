from __future__ import annotations

import dataclasses

import pytest

from media.model.time import to_rfc3339
from media.packaging.playlist_parser import parse_media, parse_multivariant
from media.ports import TapeInit, TapeSegment
from media.record.export import plan
from media.record.ranges import Range
from media.record.replay import Replay, media_playlist, multivariant, object_key, select
from tests.support.tape import ANCHOR, SECOND, entry

RENDITIONS = ("audio", "v180", "v360")


def init(epoch: int, rendition: str) -> TapeInit:
    height = int(rendition[1:]) if rendition != "audio" else 0
    codecs = "mp4a.40.2" if rendition == "audio" else "avc1.64001f"
    return TapeInit(
        "main",
        epoch,
        rendition,
        f"main/{rendition}/init-{epoch}.mp4",
        codecs,
        height * 16 // 9,
        height,
        frame_rate=29_970 if height else 0,
    )


def row(msn: int, *, epoch: int = 1, starts: int | None = None, size: int = 1000) -> list[TapeSegment]:
    return [
        entry(msn, epoch=epoch, rendition=r, starts=starts, size=size * (1 + i))
        for i, r in enumerate(RENDITIONS)
    ]


def inits(*epochs: int) -> list[TapeInit]:
    return [init(e, r) for e in epochs for r in RENDITIONS]


def replay(
    segments: list[TapeSegment], *, ended: bool = True, end: float = 100.0, epochs: tuple[int, ...] = (1, 2)
) -> Replay:
    return select(segments, inits(*epochs), Range(ANCHOR, ANCHOR + round(end * SECOND)), ended=ended)


def test_an_ended_recording_is_vod() -> None:
    made = replay([s for n in range(5) for s in row(n)], end=7)
    assert list(made.renditions) == ["v360", "v180", "audio"]
    playlist = parse_media(media_playlist(made, "v360").write())
    assert playlist.playlist_type == "VOD"
    assert playlist.ended
    assert playlist.target_duration == 2
    assert [s.uri for s in playlist.segments] == [f"1-{n}.m4s" for n in range(4)]
    assert [s.map for s in playlist.segments] == ["init-1.mp4", "", "", ""]
    assert [to_rfc3339(s.programme_time) for s in playlist.segments if s.programme_time] == [
        to_rfc3339(entry(n).starts) for n in range(4)
    ]
    assert not any(s.discontinuities or s.gap for s in playlist.segments)


def test_a_running_one_may_grow_and_only_at_its_end() -> None:
    rows = [row(n) for n in range(6)]
    texts = [
        media_playlist(replay([s for r in rows[:n] for s in r], ended=False), "audio").write()
        for n in (3, 4, 6)
    ]
    assert all("#EXT-X-PLAYLIST-TYPE:EVENT" in t and "ENDLIST" not in t for t in texts)
    assert texts[2].startswith(texts[1])
    assert texts[1].startswith(texts[0])


def test_holes_and_new_epochs_are_discontinuities_in_all_renditions() -> None:
    late = ANCHOR + 30 * SECOND
    segments = (
        [s for n in (0, 1, 4) for s in row(n)]
        + row(5, epoch=2, starts=late)
        + row(6, epoch=2, starts=late + 2 * SECOND)
    )
    made = replay(segments)
    for rendition in RENDITIONS:
        playlist = parse_media(media_playlist(made, rendition).write())
        assert [s.discontinuities for s in playlist.segments] == [0, 0, 1, 1, 0]
        assert [s.map for s in playlist.segments] == ["init-1.mp4", "", "", "init-2.mp4", ""]
        assert not any(s.gap for s in playlist.segments)


def test_what_a_rendition_lacks_is_left_out_everywhere() -> None:
    segments = [s for n in range(4) for s in row(n) if not (n == 2 and s.rendition == "v180")]
    made = replay(segments)
    assert all([s.msn for s in track] == [0, 1, 3] for track in made.renditions.values())
    ladder = row(0) + [s for s in row(1, epoch=2) if s.rendition != "v180"]
    assert list(replay(ladder).renditions) == ["v360", "audio"]
    assert list(replay(row(0), epochs=()).renditions) == []


def test_bandwidth_is_the_largest_real_peak() -> None:
    segments = [s for n in range(4) for s in row(n, size=1000 * (1 + n))]
    # A short piece behind a crash does not count alone: 100 ms of 900 kB would be 72 Mb/s.
    cut = [dataclasses.replace(s, duration=9_000, size=900_000, truncated=True) for s in row(4)]
    playlist = parse_multivariant(multivariant(replay(segments + cut)).write())
    top = playlist.variants[0]
    assert (top.uri, top.width, top.height, top.codecs) == (
        "v360/index.m3u8",
        640,
        360,
        "avc1.64001f,mp4a.40.2",
    )
    assert top.bandwidth == 8 * (4000 * 3 + 4000) // 2
    assert [v.uri for v in playlist.variants] == ["v360/index.m3u8", "v180/index.m3u8", "audio/index.m3u8"]
    assert playlist.renditions[0].group == "audio"


def test_the_frame_rate_is_told_as_the_live_playlist_does() -> None:
    rows = row(0) + row(1, epoch=2)
    text = multivariant(replay(rows)).write()
    assert text.count(",FRAME-RATE=29.970,") == 2, text
    faster = [dataclasses.replace(i, frame_rate=2 * i.frame_rate) for i in inits(2)]
    within = Range(ANCHOR, ANCHOR + 9 * SECOND)
    made = multivariant(select(rows, inits(1) + faster, within, ended=True)).write()
    assert made.count(",FRAME-RATE=59.940,") == 2, "the highest of all epochs"
    unknown = [dataclasses.replace(i, frame_rate=0) for i in inits(2)]
    assert "FRAME-RATE" not in multivariant(select(rows, inits(1) + unknown, within, ended=True)).write()


def test_nothing_on_tape_is_no_playlist() -> None:
    with pytest.raises(ValueError, match="nothing"):
        multivariant(replay([]))
    with pytest.raises(KeyError):
        media_playlist(replay(row(0)), "v999")


def test_only_names_of_the_playlists_have_a_key() -> None:
    made = replay([s for n in range(3) for s in row(n)], end=3)
    assert object_key(made, "v360", "1-1.m4s") == "main/v360/1-1.m4s"
    assert object_key(made, "v360", "init-1.mp4") == "main/v360/init-1.mp4"
    for rendition, name in (
        ("v360", "1-2.m4s"),
        ("v360", "../audio/1-1.m4s"),
        ("nothing", "1-1.m4s"),
        ("v360", ""),
    ):
        assert object_key(made, rendition, name) is None


def test_an_export_moves_both_tracks_alike_behind_a_hole() -> None:
    def pair(msn: int, epoch: int, starts: int, early: int) -> list[TapeSegment]:
        return [
            entry(msn, epoch=epoch, rendition="v360", starts=starts),
            entry(msn, epoch=epoch, rendition="audio", starts=starts - early, seconds=2.01),
        ]

    segments = (
        pair(0, 1, ANCHOR, 0) + pair(1, 1, ANCHOR + 2 * SECOND, 0) + pair(9, 2, ANCHOR + 50 * SECOND, 8_000)
    )
    made = select(segments, inits(1, 2), Range(ANCHOR, ANCHOR + 99 * SECOND), ended=True)
    first, second = plan(made)
    assert (first.tracks["video"].at, first.tracks["audio"].at) == (0, 0)
    apart = second.tracks["video"].at - second.tracks["audio"].at
    assert apart == 8_000
    assert second.tracks["audio"].at >= 4_020_000
    assert second.tracks["video"].at >= 4_000_000
    assert second.tracks["audio"].at <= 4_020_000 + 21_000
    assert second.tracks["video"].keys == ["main/v360/2-9.m4s"]
