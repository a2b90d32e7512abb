from __future__ import annotations

import random

import pytest
from aiortc.rtp import RtcpRtpfbPacket
from hypothesis import given, settings
from hypothesis import strategies as st

from media.ingest.whip.pieces import PATIENCE, SOUND_PATIENCE, WINDOW, Pictures, Piece, Sounds

KEY, DELTA = b"K", b"d"


def is_key(data: bytes) -> bool:
    return data[:1] == KEY


def pictures(every: float = 2.0) -> Pictures:
    return Pictures(is_key, is_key, every)


def stream(count: int, gop: int = 10, packets: int = 3, start: int = 65_500) -> list[Piece]:
    """Pictures of several packets; the payload says which picture and which of its packets it is."""
    found: list[Piece] = []
    for number in range(count):
        for place in range(packets):
            head = KEY if number % gop == 0 and not place else DELTA
            data = head + f"{number}.{place};".encode()
            found.append(Piece((start + len(found)) % 65_536, number * 3000, place == packets - 1, data))
    return found


def whole(number: int, packets: int = 3, gop: int = 10) -> bytes:
    parts = [
        (KEY if number % gop == 0 and not place else DELTA) + f"{number}.{place};".encode()
        for place in range(packets)
    ]
    return b"".join(parts)


def run(pieces: list[Piece | None], found: Pictures, step: float = 0.011) -> list[tuple[int, bytes, bool]]:
    """Add them one every `step` seconds, None for one that is lost; then wait."""
    done, now = [], 0.0
    for piece in pieces:
        if piece is not None:
            done += found.add(piece, now)
        done += found.look(now)[0]
        now += step
    return done + found.look(now + 10)[0]


def test_pictures_come_whole_and_in_order() -> None:
    found = pictures()
    done = run(list(stream(40)), found)
    assert [data for _, data, _ in done] == [whole(number) for number in range(40)]
    assert [key for _, _, key in done] == [number % 10 == 0 for number in range(40)]
    assert found.losses.packets == found.losses.pictures == 0


def test_a_picture_is_given_on_with_its_last_packet() -> None:
    found = pictures()
    first = stream(1)
    assert [found.add(piece, 0.0) for piece in first[:2]] == [[], []]
    assert len(found.add(first[2], 0.0)) == 1


def test_without_a_marker_the_next_picture_ends_the_one_before() -> None:
    found = pictures()
    pieces = [Piece(p.sequence, p.timestamp, False, p.data) for p in stream(3)]
    assert len(run(list(pieces), found)) == 2


def test_disorder_within_patience_costs_nothing() -> None:
    pieces = stream(60)
    generator = random.Random(7)
    order = sorted(range(1, len(pieces)), key=lambda at: at + generator.uniform(0, 12))
    found = pictures()
    done = run([pieces[0], *(pieces[at] for at in order)], found)
    assert [data for _, data, _ in done] == [whole(number) for number in range(60)]


def test_after_a_loss_nothing_is_shown_until_the_next_keyframe() -> None:
    pieces: list[Piece | None] = list(stream(30))
    pieces[3 * 4 + 1] = None
    found = pictures()
    done = [data for _, data, _ in run(pieces, found)]
    assert done == [whole(number) for number in (*range(4), *range(10, 30))]
    assert found.losses.packets == 1
    assert found.losses.pictures == 6


def test_a_repeat_in_time_costs_nothing() -> None:
    pieces = stream(12)
    late = pieces.pop(14)
    found = pictures()
    done, now = [], 0.0
    for number, piece in enumerate(pieces):
        done += found.add(piece, now)
        _, wanted = found.look(now)
        if number == 14:
            assert wanted.repeats == (late.sequence,)
        if number == 20:
            done += found.add(late, now)
        now += 0.005
    assert [data for _, data, _ in done] == [whole(number) for number in range(12)]


def test_a_packet_is_asked_for_again_and_then_given_up() -> None:
    pieces = stream(4)
    found = pictures()
    for number, piece in enumerate(pieces):
        if number != 4:
            found.add(piece, 0.0)
    asked = sum(bool(found.look(at * 0.02)[1].repeats) for at in range(1, round(PATIENCE / 0.02)))
    assert asked in range(3, 8)
    assert found.losses.packets == 0
    found.look(PATIENCE + 0.01)
    assert found.losses.packets == 1
    assert not found.look(PATIENCE + 1)[1].repeats


def test_what_is_lost_across_the_wrap_of_numbers_is_asked_for_in_two_reports() -> None:
    """One report's numbers rise, as aiortc packs them (RFC 4585, 6.2.1: a number and those after it)."""
    pieces = stream(6, start=65_533)
    found = pictures()
    for number, piece in enumerate(pieces):
        if number not in {1, 2, 3, 4}:
            found.add(piece, 0.0)
    asked = [found.look(at * 0.02)[1].repeats for at in range(1, 4)]
    assert [each for each in asked if each] == [(65_534, 65_535), (0, 1)]
    for each in asked:
        assert bytes(RtcpRtpfbPacket(fmt=1, ssrc=1, media_ssrc=2, lost=list(each)))


def test_a_keyframe_is_asked_for_after_a_loss_and_not_all_the_time() -> None:
    pieces: list[Piece | None] = list(stream(8, gop=100))
    pieces[5] = None
    found = pictures()
    run(pieces, found)
    asked = [found.look(20 + at * 0.02)[1].picture for at in range(200)]  # four seconds
    assert 7 <= sum(asked) <= 9


def test_keyframes_are_asked_for_now_and_then_for_who_tunes_in() -> None:
    found = pictures(every=2.0)
    asked = 0
    for number, piece in enumerate(stream(300, gop=1000, packets=1)):
        found.add(piece, number * 0.033)
        asked += found.look(number * 0.033)[1].picture
    assert asked in {4, 5}


def test_beginning_in_the_middle_of_a_keyframe_shows_nothing_of_it() -> None:
    pieces = stream(25)
    found = pictures()
    done = run(list(pieces[1:]), found)
    assert done[0][1] == whole(10)


def test_padding_is_no_picture() -> None:
    pieces = stream(2, packets=1, start=10)
    padding = Piece(11, pieces[0].timestamp, False, b"")
    after = Piece(12, pieces[1].timestamp, True, pieces[1].data)
    found = pictures()
    assert [data for _, data, _ in run([pieces[0], padding, after], found)] == [whole(0, 1), whole(1, 1)]


def test_numbers_that_jump_begin_anew() -> None:
    found = pictures()
    done = run([*stream(5, start=10), *stream(15, start=30_000)], found)
    assert [data for _, data, _ in done] == [*map(whole, range(5)), *map(whole, range(15))]


def test_what_is_held_is_bounded() -> None:
    found = pictures()
    torn = Piece(0, 0, False, KEY)
    found.add(torn, 0.0)
    for number in range(2, 3 * WINDOW):
        found.add(Piece(number, 0, False, bytes(100)), 0.0)
    assert len(found._order.held) <= WINDOW
    assert len(found._order.missing) <= WINDOW


@settings(deadline=None)
@given(st.integers(0, 2**32), st.floats(0, 0.5), st.integers(1, 5))
def test_whatever_is_lost_only_whole_pictures_that_stand_on_whole_ones_are_shown(
    seed: int, rate: float, packets: int
) -> None:
    generator = random.Random(seed)
    pieces = stream(60, packets=packets)
    kept = [piece if generator.random() >= rate else None for piece in pieces]
    shown = [data for _, data, _ in run(kept, pictures())]
    numbers = [int(data[1:].split(b".")[0]) for data in shown]
    assert shown == [whole(number, packets) for number in numbers]
    former = -1
    for number in numbers:
        assert number % 10 == 0 or number == former + 1
        former = number


@pytest.mark.parametrize("lost", [1, 3])
def test_sound_waits_a_little_and_goes_on(lost: int) -> None:
    sounds = Sounds()
    done, now = [], 0.0
    for number in range(50):
        if not 20 <= number < 20 + lost:
            done += sounds.add(Piece(number, number * 960, False, b"%d" % number), now)
        done += sounds.look(now)
        now += 0.02
    assert [int(data) for _, data in done] == [n for n in range(50) if not 20 <= n < 20 + lost]
    assert sounds.losses.packets == lost
    assert SOUND_PATIENCE < 0.2
