"""The HTTP of WebRTC senders (RFC 9725) against the ingest process: what is refused, and in which words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from media.model.feed import FeedPhase
from tests.support.whip_house import DIRECT, House, a_house
from tests.support.whip_offers import AUDIO, BUNDLE, FFMPEG, HEAD, VIDEO
from tests.support.whip_sender import KEY
from web.whip import FRAGMENT


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with a_house(tmp_path) as made:
        yield made


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"", 400, "sdp"),
        (b"not a session description", 400, "sdp"),
        (b"\xff\xfe", 400, "sdp"),
        (FFMPEG[: FFMPEG.index("a=rtcp-mux")].encode(), 422, "offer.m.0.rtcp-mux"),
        (FFMPEG.replace("ice-pwd", "ice-pw").encode(), 400, "sdp.ice-pwd"),
        ((HEAD + BUNDLE + AUDIO + VIDEO.replace("H264", "H263")).encode(), 422, "offer.m.1.rtpmap"),
        (HEAD.encode(), 422, "offer.m"),
        (b"v=0\r\n" + b"a=x\r\n" * 20_000, 413, None),
    ],
)
async def test_an_offer_that_cannot_be_is_refused_and_says_why(
    house: House, body: bytes, status: int, field: str | None
) -> None:
    async with house.http.post(house.endpoint(), data=body, headers=DIRECT) as answer:
        problem = await answer.json(content_type="application/problem+json")
        assert (answer.status, problem.get("field")) == (status, field), problem
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert (await house.feed()).phase is FeedPhase.IDLE


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("phone", {"Authorization": "Bearer wrong-key-1"}, 401),
        ("phone", {"Authorization": "Basic abc"}, 401),
        ("phone", {"Authorization": "Bearer "}, 401),
        ("phone", {"Authorization": "Bearer rtmp-key-1"}, 401),
        ("obs", {"Authorization": "Bearer rtmp-key-1"}, 401),
        ("nobody", {"Authorization": f"Bearer {KEY}"}, 401),
        ("shared", {"Authorization": f"Bearer {KEY}"}, 401),
        ("phone", {"Content-Type": "application/json"}, 415),
        ("phone", {"Content-Type": "text/plain"}, 415),
    ],
)
async def test_wrong_keys_and_types_are_refused(
    house: House, path: str, headers: dict[str, str], status: int
) -> None:
    async with house.http.post(house.endpoint(path), data=FFMPEG, headers=DIRECT | headers) as answer:
        assert answer.status == status
        assert answer.content_type == "application/problem+json"
        assert ("WWW-Authenticate" in answer.headers) == (status == 401)


async def test_a_session_is_told_and_trickled_as_the_rfc_says(tmp_path: Path) -> None:
    servers = '[{url="stun:127.0.0.1:9"}, {url="turn:127.0.0.1:9", username="u", credential="p\\"q"}]'
    public = {"GACHI_INGEST__WEBRTC_PUBLIC_ADDRESS": "203.0.113.7"}
    async with a_house(tmp_path, GACHI_INGEST__ICE_SERVERS=servers, **public) as house:
        async with house.http.post(house.endpoint(), data=FFMPEG, headers=DIRECT) as answer:
            text = await answer.text()
            assert answer.status == 201, text
            assert answer.content_type == "application/sdp"
            etag, location = answer.headers["ETag"], answer.headers["Location"]
            assert answer.headers.getall("Link") == [
                '<stun:127.0.0.1:9>; rel="ice-server"',
                '<turn:127.0.0.1:9>; rel="ice-server"; username="u"; credential="p\\"q"; credential-type="password"',
            ]
        assert location.startswith("/whip/phone/")
        assert "203.0.113.7" in text
        assert "profile-level-id=64001f" in text
        assert "a=recvonly" in text
        more = "a=ice-ufrag:7251e6f3\r\na=ice-pwd:8154b287e91f07b61e56e58cc6b99dce\r\na=mid:0\r\n"
        more += "a=candidate:1 1 udp 2122260223 127.0.0.1 9 typ host\r\n"
        assert await patch(house, location, more, etag) == (204, None)
        assert await patch(house, location, more, None) == (204, None)
        assert await patch(house, location, more, '"other"') == (412, "If-Match")
        assert await patch(house, location, more, "*") == (422, "ice")
        assert await patch(house, location, more.replace("7251e6f3", "another"), etag) == (422, "ice")
        assert await patch(house, location, "what?", etag) == (400, "sdp")
        assert await patch(house, location, more, etag, kind="text/plain") == (415, None)
        assert await patch(house, location + "x", more, etag) == (404, "session")
        assert await patch(house, location, more, etag, key="wrong-key-1") == (401, "stream_key")
        assert (await house.feed()).phase is FeedPhase.CONNECTING  # nothing of it ended the session


async def patch(
    house: House, location: str, body: str, etag: str | None, *, kind: str = FRAGMENT, key: str = KEY
) -> tuple[int, str | None]:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": kind}
    if etag is not None:
        headers["If-Match"] = etag
    async with house.http.patch(house.base + location, data=body, headers=headers) as answer:
        if answer.status == 204:
            return 204, None
        problem = await answer.json(content_type="application/problem+json")
        return answer.status, problem.get("field")


async def test_browsers_of_other_sites_are_let_in(house: House) -> None:
    asks = {"Origin": "https://example.com", "Access-Control-Request-Method": "POST"}
    async with house.http.options(house.endpoint(), headers=asks) as answer:
        assert answer.status == 200
        assert answer.headers["Accept-Post"] == "application/sdp"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    async with house.http.options(house.endpoint() + "/session", headers=asks) as answer:
        assert answer.headers["Accept-Patch"] == FRAGMENT


async def test_no_more_senders_than_the_limit(tmp_path: Path) -> None:
    async with a_house(tmp_path, GACHI_INGEST__WEBRTC_SESSIONS="1") as house:
        async with house.http.post(house.endpoint(), data=FFMPEG, headers=DIRECT) as answer:
            assert answer.status == 201
        other = DIRECT | {"Authorization": "Bearer whip-key-2"}
        async with house.http.post(house.endpoint("shared"), data=FFMPEG, headers=other) as answer:
            assert answer.status == 503
            assert "Retry-After" in answer.headers
