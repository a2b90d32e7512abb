"""WebRTC senders against the ingest process and the HTTP in front of it: aiortc, ffmpeg, and some that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription

from media.contracts.feeds import CreateFeed, DeleteFeed
from media.model.feed import FeedKind, FeedPhase
from media.model.tracks import MediaKind
from runtime.bus.calls import call
from tests.support.ffmpeg_sender import connections, ffmpeg
from tests.support.ingest import undisturbed
from tests.support.whip_house import DIRECT, House, a_house, figure, known, until, watching
from tests.support.whip_offers import FFMPEG
from tests.support.whip_sender import KEY, Loss, WhipSender, sending


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with a_house(tmp_path) as made:
        yield made


# --- media


@pytest.mark.parametrize("codec", ["h264", "vp8"])
async def test_pictures_arrive_bit_by_bit_as_they_were_sent(house: House, codec: str) -> None:
    async with watching(house) as watched, sending(house.http, house.endpoint(), codec=codec) as sender:
        await until(lambda: len(watched.pictures) >= 45 and watched.sounds >= 50, 30, "pictures and sound")
        view = await house.feed()
        assert (view.phase, view.video_codec, view.audio_codec) == (FeedPhase.LIVE, codec, "opus")
        assert (view.width, view.height) == (320, 180)
        assert view.peer.startswith("127.0.0.1")
        assert await sender.delete() == 200
        view = await house.phase(FeedPhase.LOST)
        assert view.reason == "the sender ended the stream"
        assert await sender.delete() == 404
    assert watched.errors == 0
    assert set(watched.pictures) <= known(codec)
    for times in watched.times.values():
        assert all(before < after for before, after in pairwise(times))
    video, audio = (watched.times[kind] for kind in (MediaKind.VIDEO, MediaKind.AUDIO))
    assert abs(video[-1] - audio[-1]) < 1_000_000  # one clock


async def test_a_tenth_of_the_packets_lost_and_repeated_costs_few_pictures(house: House) -> None:
    loss = Loss(0.1, seed=3)
    async with watching(house) as watched, sending(house.http, house.endpoint(), loss=loss):
        await until(
            lambda: loss.dropped >= 10 and len(watched.pictures) >= 90, 40, "pictures in spite of loss"
        )
    assert set(watched.pictures) <= known("h264"), "a smear was passed on"
    assert watched.errors == 0
    # Over a span of this many, pictures that were never shown: fewer than without repeats by far.
    times = watched.times[MediaKind.VIDEO]
    due = (times[-1] - times[0]) * 30 / 1e6
    assert len(times) > 0.8 * due


@pytest.mark.parametrize("codec", ["h264", "vp8"])
async def test_loss_that_nothing_repairs_freezes_and_never_smears(house: House, codec: str) -> None:
    loss = Loss(0.1, seed=5, repairs=False)
    async with watching(house) as watched, sending(house.http, house.endpoint(), codec=codec, loss=loss):
        await until(
            lambda: loss.dropped >= 12 and len(watched.pictures) >= 10, 40, "pictures in spite of loss"
        )
        assert set(watched.pictures) <= known(codec), "a smear was passed on"
        loss.rate = 0.0
        seen = len(watched.pictures)
        await until(lambda: len(watched.pictures) >= seen + 45, 20, "the picture to come back by itself")
    assert set(watched.pictures) <= known(codec), "a smear was passed on"
    assert watched.errors == 0
    gaps = [after - before for before, after in pairwise(watched.times[MediaKind.VIDEO])]
    assert max(gaps) > 100_000, "nothing froze: the test lost nothing"
    assert loss.plis > 0, "no keyframe was asked for"


async def test_a_sender_of_sound_alone_is_heard(house: House) -> None:
    async with watching(house) as watched, sending(house.http, house.endpoint(), pictures=False) as sender:
        assert "m=video" not in sender.answer
        await until(lambda: watched.sounds >= 75, 20, "sound")
        view = await house.feed()
        assert (view.phase, view.video_codec, view.audio_codec) == (FeedPhase.LIVE, "", "opus")
    assert [header.kind for header in watched.headers] == [MediaKind.AUDIO]
    assert not watched.pictures
    assert watched.errors == 0
    times = watched.times[MediaKind.AUDIO]
    assert all(0 < after - before < 100_000 for before, after in pairwise(times)), "sound has holes"


@pytest.mark.peer
async def test_ffmpeg_publishes_and_leaves(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    # It answers no request for consent (RFC 7675): who asked it would have given it up within four seconds now.
    monkeypatch.setattr("aioice.ice.CONSENT_INTERVAL", 0.05)
    command = [
        *(ffmpeg(), "-loglevel", "error", "-re", "-f", "lavfi", "-i", "testsrc=s=320x180:r=30"),
        *("-re", "-f", "lavfi", "-i", "sine=sample_rate=48000", "-t", "7", "-pix_fmt", "yuv420p"),
        *("-c:v", "libx264", "-profile:v", "high", "-preset", "ultrafast", "-bf", "0", "-g", "30"),
        *(
            "-c:a",
            "libopus",
            "-b:a",
            "64k",
            "-ac",
            "2",
            "-f",
            "whip",
            "-authorization",
            KEY,
            house.endpoint(),
        ),
    ]
    async with watching(house) as watched:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            view = await house.phase(FeedPhase.LIVE)
            assert "Lavf" in view.peer
            await until(lambda: len(watched.pictures) > 180 and watched.sounds > 280, 40, "ffmpeg's pictures")
            view = await house.phase(FeedPhase.LOST, within=40)
            assert view.reason == "the sender ended the stream"
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    assert watched.errors == 0


# --- faults


async def test_a_connection_that_never_comes_about_ends_with_a_reason(tmp_path: Path) -> None:
    async with a_house(tmp_path, GACHI_INGEST__WEBRTC_CONNECT_TIMEOUT="5") as house:
        async with house.http.post(house.endpoint(), data=FFMPEG, headers=DIRECT) as answer:
            assert answer.status == 201
        assert (await house.feed()).phase is FeedPhase.CONNECTING
        view = await house.phase(FeedPhase.LOST)
        assert view.reason.startswith("no connection within 5 s")
        async with sending(house.http, house.endpoint()):  # the feed is free again
            await house.phase(FeedPhase.LIVE)


async def test_dtls_with_another_certificate_ends_with_a_reason(house: House) -> None:
    sender = WhipSender(house.http, house.endpoint())
    offer = await sender.offer()
    lines = [line for line in offer.splitlines() if "sha-384" not in line and "sha-512" not in line]
    forged = "\r\n".join(
        line[:-2] + ("00" if line[-2:] != "00" else "11") if "sha-256" in line else line for line in lines
    )
    status, _, answer = await sender.post(forged + "\r\n")
    assert status == 201, answer
    await sender.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    view = await house.phase(FeedPhase.LOST)
    assert "DTLS" in view.reason
    await sender.close()


async def test_dtls_that_never_begins_ends_after_a_while_and_disturbs_nobody(tmp_path: Path) -> None:
    """ICE completes, and then the sender's DTLS is silent, whichever side was to begin it (RFC 8842 §5.3)."""
    async with a_house(tmp_path, GACHI_INGEST__WEBRTC_CONNECT_TIMEOUT="6") as house, undisturbed(house.bus):
        made = await call(house.bus, CreateFeed(feed="other", kind=FeedKind.WHIP))
        async with sending(house.http, house.endpoint("shared"), key="whip-key-2"):
            await house.phase(FeedPhase.LIVE, feed="shared")
            before, timeouts = udp_sockets(), figure("gachi_whip_timeouts_total")
            async with watching(house, "shared") as watched:
                senders = dict(
                    zip(
                        ("phone", "other"),
                        await asyncio.gather(
                            dtls_silent(house, "phone", KEY, "actpass"),
                            dtls_silent(house, "other", made.stream_key, "active"),
                        ),
                        strict=True,
                    )
                )
                for feed, sender in senders.items():
                    reached = ("completed", FeedPhase.CONNECTING)
                    assert (sender.connection.iceConnectionState, (await house.feed(feed)).phase) == reached
                for feed, sender in senders.items():
                    view = await house.phase(FeedPhase.LOST, feed=feed)
                    assert view.reason.startswith("no connection within 6 s")
                    assert "DTLS handshake does not finish" in view.reason
                    await sender.close()
            assert figure("gachi_whip_timeouts_total") == timeouts + 2
            assert figure("gachi_whip_sessions") == 1
            await until(lambda: udp_sockets() == before, 5, "the sockets of both to be closed")
        assert watched.errors == 0
        assert set(watched.pictures) <= known("h264")
        gaps = [after - ahead for ahead, after in pairwise(watched.times[MediaKind.VIDEO])]
        assert len(gaps) > 45
        assert max(gaps) < 100_000, "the other sender's picture has a hole"


async def dtls_silent(house: House, feed: str, key: str, setup: str) -> WhipSender:
    """A sender that has done ICE, and neither begins DTLS nor answers it."""
    sender = WhipSender(house.http, house.endpoint(feed))

    async def silent(_: object) -> None:
        return

    for transceiver in sender.connection.getTransceivers():
        transport: Any = transceiver.sender.transport
        transport.start = silent
    offer = (await sender.offer()).replace("a=setup:actpass", f"a=setup:{setup}")
    status, _, answer = await sender.post(offer, key)
    assert status == 201, answer
    await sender.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    await until(lambda: sender.connection.iceConnectionState == "completed", 5, "ICE to complete")
    return sender


def udp_sockets() -> int:
    """How many UDP sockets this process holds."""
    rows = [
        row.split() for name in ("udp", "udp6") for row in Path(f"/proc/net/{name}").read_text().splitlines()
    ]
    return len({f"socket:[{row[9]}]" for row in rows} & connections(os.getpid()))


async def test_a_sender_that_falls_silent_is_stalled_and_then_gone(tmp_path: Path) -> None:
    async with a_house(tmp_path, GACHI_INGEST__WEBRTC_SILENCE_TIMEOUT="3") as house:
        loss = Loss(0.0)
        async with sending(house.http, house.endpoint(), sound=False, loss=loss) as sender:
            await house.phase(FeedPhase.LIVE)
            sender.clip.paused.clear()
            cut(sender.connection)
            await house.phase(FeedPhase.STALLED)
            view = await house.phase(FeedPhase.LOST)
            assert view.reason == "nothing came for 3 s: the connection is dead"


def cut(connection: RTCPeerConnection) -> None:
    """From now on nothing leaves this sender: its network is gone."""
    for transceiver in connection.getTransceivers():
        ice = transceiver.sender.transport.transport

        async def nowhere(data: bytes) -> None:
            return

        ice._send = nowhere


async def test_a_second_sender_is_refused_and_the_first_goes_on(house: House) -> None:
    async with sending(house.http, house.endpoint()) as first:
        await house.phase(FeedPhase.LIVE)
        second = WhipSender(house.http, house.endpoint())
        status, headers, text = await second.post(await second.offer())
        assert status == 409, text
        assert headers["Content-Type"].startswith("application/problem+json")
        assert '"field":"feed"' in text
        await second.close()
        assert (await house.feed()).phase is FeedPhase.LIVE
        assert await first.delete() == 200


async def test_an_empty_datagram_from_anybody_ends_nothing(house: House) -> None:
    async with watching(house) as watched, sending(house.http, house.endpoint()) as sender:
        await until(lambda: len(watched.pictures) >= 10, 30, "pictures")
        ports = re.findall(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host", sender.answer)
        assert ports
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for address, port in ports:
                stranger.sendto(b"", (address, int(port)))
        seen = len(watched.pictures)
        await until(lambda: len(watched.pictures) >= seen + 30, 30, "pictures to go on")
        assert watched.phases[-1] is FeedPhase.LIVE
        assert await sender.delete() == 200


async def test_a_fault_with_one_sender_ends_that_one_alone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watching(house) as watched, sending(house.http, house.endpoint()):
        await until(lambda: len(watched.pictures) >= 10, 30, "pictures")

        def broken(*_: object) -> None:
            raise RuntimeError("a fault")

        monkeypatch.setattr("media.ingest.whip.reception.Reception.look", broken)
        assert "a fault" in (await house.phase(FeedPhase.LOST)).reason
        monkeypatch.undo()
    async with sending(house.http, house.endpoint()):
        await house.phase(FeedPhase.LIVE)


async def test_where_taking_over_is_allowed_the_second_sender_gets_the_feed(house: House) -> None:
    first = WhipSender(house.http, house.endpoint("shared"))
    await first.publish(key="whip-key-2")
    await house.phase(FeedPhase.LIVE, feed="shared")
    second = WhipSender(house.http, house.endpoint("shared"), codec="vp8")
    await second.publish(key="whip-key-2")

    async def taken() -> bool:
        view = await house.feed("shared")
        return view.phase is FeedPhase.LIVE and view.video_codec == "vp8"

    await eventually(taken, "the second sender's picture")
    assert await first.delete("whip-key-2") == 404
    for sender in (first, second):
        await sender.close()


async def eventually(holds: Callable[[], Awaitable[bool]], what: str, within: float = 20) -> None:
    try:
        async with asyncio.timeout(within):
            while not await holds():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"waited {within:g} s for {what}") from None


async def test_a_feed_that_is_removed_ends_its_sender(house: House) -> None:
    async with sending(house.http, house.endpoint()) as sender:
        await house.phase(FeedPhase.LIVE)
        await call(house.bus, DeleteFeed(feed="phone"))
        await until(lambda: sender.connection.connectionState == "closed", 20, "the sender to be told")
