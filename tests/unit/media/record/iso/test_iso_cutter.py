"""Where a feed's recording is cut, and what goes into its parts."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import pytest

from media.model.feed import FeedPhase, FeedStatus
from media.model.tracks import Codec, EncodedPacket, MediaKind, TrackHeader
from media.packaging.fmp4 import annexb_to_avcc
from media.packaging.matroska import Block
from media.record.iso.cutter import Begin, Cutter, End, Put
from media.record.iso.isos import Hole, PartCause
from tests.support.iso import LIVE, LOST, WALL, Item, arriving, script
from tests.support.media import ClipSpec, make_clip, shifted

SECOND = 1_000_000
SPEC = ClipSpec(seconds=2, gop=15)


@dataclass
class Cut:
    tracks: tuple[TrackHeader, ...]
    cause: PartCause
    arrived: int
    blocks: list[Block] = field(default_factory=list)
    closed: bool = False

    def times(self, kind: MediaKind) -> list[int]:
        return [block.time for block in self.blocks if block.kind is kind]


def cut(items: Iterable[Item], cutter: Cutter | None = None) -> list[Cut]:
    cutter = cutter or Cutter()
    parts: list[Cut] = []
    for item in items:
        for action in cutter.take(item):
            if isinstance(action, Begin):
                parts.append(Cut(action.tracks, action.cause, action.arrived))
            elif isinstance(action, Put):
                parts[-1].blocks.append(action.block)
            else:
                assert isinstance(action, End)
                parts[-1].closed = True
    return parts


def test_everything_that_came_is_in_the_part_bit_for_bit() -> None:
    clip = make_clip(SPEC)
    (part,) = cut(script(clip))
    assert part.tracks == clip.headers
    assert part.cause is PartCause.START
    assert part.arrived == WALL
    assert [b.data for b in part.blocks] == [p.data for p in clip.packets]
    assert [b.time for b in part.blocks] == [p.pts for p in clip.packets]
    assert not part.closed


@pytest.mark.parametrize("bframes", [0, 2])
def test_a_part_begins_with_a_keyframe_at_its_time_0(bframes: int) -> None:
    clip = make_clip(replace(SPEC, bframes=bframes, start=-7 * SECOND))
    items = script(clip)
    joined = items[:3] + items[12:]
    (part,) = cut(joined)
    pictures = [b for b in part.blocks if b.kind is MediaKind.VIDEO]
    assert pictures[0].keyframe
    assert pictures[0].time == 0
    assert min(b.time for b in part.blocks) >= 0
    second = next(p for p in clip.of(MediaKind.VIDEO)[1:] if p.keyframe)
    assert pictures[0].data == second.data
    sounds = [p for p in clip.of(MediaKind.AUDIO) if p.pts >= second.pts]
    assert len(part.times(MediaKind.AUDIO)) == len(sounds)


def test_start_codes_become_lengths_and_parameter_sets_a_record() -> None:
    clip = make_clip(replace(SPEC, annexb=True))
    assert clip.video is not None
    bare = replace(clip.video, width=0, height=0)
    (part,) = cut([LIVE, bare, clip.headers[1], *arriving(clip.packets)])
    picture = part.tracks[0]
    assert (picture.width, picture.height) == (320, 180)
    assert picture.extradata[0] == 1
    pictures = [b.data for b in part.blocks if b.kind is MediaKind.VIDEO]
    assert pictures == [annexb_to_avcc(p.data) for p in clip.of(MediaKind.VIDEO)]


def test_a_sender_that_goes_and_comes_back_makes_another_part() -> None:
    clip = make_clip(SPEC)
    first, second = cut([*script(clip), LOST, *script(clip, WALL + 60 * SECOND)])
    assert first.closed
    assert (second.cause, second.times(MediaKind.VIDEO)[0]) == (PartCause.FEED, 0)
    assert [b.data for b in second.blocks] == [b.data for b in first.blocks]


@pytest.mark.parametrize(
    "other", [replace(SPEC, width=480, height=270), replace(SPEC, annexb=True), replace(SPEC, audio=Codec.OPUS)]
)  # fmt: skip
def test_another_size_or_codec_makes_another_part_without_a_break_of_the_connection(other: ClipSpec) -> None:
    clip, next_clip = make_clip(SPEC), make_clip(replace(other, start=2 * SECOND))
    after = arriving(next_clip.packets, WALL)
    first, second = cut([*script(clip), *next_clip.headers, *after])
    assert first.closed
    assert second.cause is PartCause.FORMAT
    assert [t.codec for t in second.tracks] == [t.codec for t in next_clip.headers]
    assert second.tracks[0].width == next_clip.headers[0].width
    assert len(first.blocks) == len(clip.packets)
    assert len(second.times(MediaKind.VIDEO)) == len(next_clip.of(MediaKind.VIDEO))


def test_another_size_within_start_codes_alone_makes_another_part() -> None:
    small = make_clip(replace(SPEC, annexb=True))
    large = make_clip(replace(SPEC, annexb=True, width=480, height=270, audio=None, start=2 * SECOND))
    first, second = cut([*script(small), *arriving(large.packets)])
    assert (first.tracks[0].width, second.tracks[0].width) == (320, 480)
    assert second.cause is PartCause.FORMAT


def test_a_header_told_again_changes_nothing() -> None:
    clip = make_clip(SPEC)
    items = script(clip)
    (part,) = cut([*items[:50], *clip.headers, *items[50:]])
    assert len(part.blocks) == len(clip.packets)


def test_packets_that_come_again_with_a_new_connection_are_not_taken_twice() -> None:
    clip = make_clip(SPEC)
    items = script(clip)
    again = [item for item in items[30:60] if isinstance(item, EncodedPacket)]
    (part,) = cut([*items[:60], LIVE, *clip.headers, *again, *items[60:]])
    assert [b.data for b in part.blocks] == [p.data for p in clip.packets]


def test_a_track_that_is_announced_a_little_later_is_in_the_first_part() -> None:
    clip = make_clip(SPEC)
    items = script(clip)
    (part,) = cut([items[0], items[1], *items[3:10], items[2], *items[10:]])
    assert len(part.tracks) == 2


def test_a_picture_without_sound_is_not_held_back_for_long() -> None:
    clip = make_clip(replace(SPEC, audio=None))
    parts = cut(script(clip)[:30])
    assert [len(p.tracks) for p in parts] == [1]
    assert len(parts[0].blocks) == 28


def test_sound_alone_is_recorded_and_the_picture_joins_it_in_a_part_of_its_own() -> None:
    both = make_clip(SPEC)
    sound = make_clip(replace(SPEC, video=False, start=-2 * SECOND))
    assert both.video is not None
    sounds = arriving(sound.packets)
    first, second = cut([LIVE, sound.headers[0], *sounds, both.video, *arriving(both.packets)])
    assert [t.kind for t in first.tracks] == [MediaKind.AUDIO]
    assert [t.kind for t in second.tracks] == [MediaKind.VIDEO, MediaKind.AUDIO]
    assert second.cause is PartCause.FORMAT


@pytest.mark.parametrize("jump", [-10 * SECOND, 3600 * SECOND, -(1 << 32) * 1000])
def test_a_jump_of_the_senders_clock_does_not_show(jump: int) -> None:
    before, after = make_clip(SPEC), make_clip(replace(SPEC, start=2 * SECOND))
    jumped = [replace_pts(p, jump) for p in arriving(after.packets)]
    cutter = Cutter()
    (part,) = cut([*script(before), *jumped], cutter)
    times = part.times(MediaKind.VIDEO)
    assert max(b - a for a, b in itertools.pairwise(times)) < 100_000
    assert len(part.blocks) == len(before.packets) + len(after.packets)
    # Where the clock stands now is not told while others may still be reading what was before the jump.
    assert cutter.clock(jumped[0].arrived + SECOND) is None
    assert cutter.clock(jumped[-1].arrived + 3 * SECOND) is not None


def replace_pts(packet: EncodedPacket, by: int) -> EncodedPacket:
    return shifted([packet], by)[0]


def test_a_stall_is_a_hole_in_its_part_and_time_runs_on() -> None:
    clip, later = make_clip(SPEC), make_clip(replace(SPEC, start=7 * SECOND))
    cutter = Cutter()
    (part,) = cut([*script(clip), FeedStatus(phase=FeedPhase.STALLED), *arriving(later.packets)], cutter)
    assert part.times(MediaKind.VIDEO)[-1] == later.of(MediaKind.VIDEO)[-1].pts
    (hole,) = cutter.holes
    assert hole == Hole(hole.starts, 7 * SECOND)
    assert abs(hole.starts - 2 * SECOND) < 40_000


def test_where_there_is_nowhere_to_write_no_part_begins_until_a_later_keyframe() -> None:
    clip = make_clip(SPEC)
    items = script(clip)
    cutter = Cutter()
    first = cut(items[:20], cutter)
    cutter.halted = True
    assert cutter.interrupt(PartCause.DISK) == [End()]
    assert cutter.interrupt(PartCause.DISK) == []
    assert cut(items[20:60], cutter) == []
    cutter.halted = False
    (second,) = cut(items[60:], cutter)
    assert second.cause is PartCause.DISK
    assert second.blocks[0].keyframe
    assert first[0].blocks


def test_what_no_file_can_hold_is_told_and_tried_again() -> None:
    clip = make_clip(SPEC)
    broken = TrackHeader(MediaKind.VIDEO, Codec.H264, b"\1nonsense")
    cutter = Cutter()
    assert cut([LIVE, broken, clip.headers[1], *arriving(clip.packets)], cutter) == []
    assert "cannot be put into a file" in cutter.trouble
    later = make_clip(replace(SPEC, start=2 * SECOND))
    (part,) = cut([later.headers[0], *arriving(later.packets)], cutter)
    assert part.tracks == clip.headers
    assert cutter.trouble == ""


def test_part_time_and_the_senders_clock_are_a_constant_apart() -> None:
    clip = make_clip(replace(SPEC, start=123 * SECOND))
    cutter = Cutter()
    (part,) = cut(script(clip), cutter)
    clock = cutter.clock(WALL + 200 * SECOND)
    assert clock == -123 * SECOND
    assert part.blocks[-1].time == clip.packets[-1].pts + clock
    assert cutter.reached == pytest.approx(2 * SECOND, abs=40_000)
