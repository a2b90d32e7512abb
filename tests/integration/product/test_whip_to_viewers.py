"""WebRTC senders against the whole product: made by the API, put on program, seen and heard by viewers in step."""

from __future__ import annotations

import statistics
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.conformance.checker import seams
from tests.conformance.collect import collect
from tests.conformance.media_checks import check
from tests.support.browser import browser
from tests.support.ffmpeg_sender import publishing_by_whip
from tests.support.iso import packets_of
from tests.support.media import ClipSpec, clip_file
from tests.support.parts import chromium
from tests.support.product import SMALL, Client, Product, Seed, newest, until
from tests.support.watching import watch

pytestmark = pytest.mark.timeout(300)

BACKUP = "pattern"
IN_STEP = 0.045
"""Seconds: as for other senders, the nearest of pictures 33 ms apart with the encoder's own."""

_PUBLISH = """
async ([url, key]) => {
  const canvas = document.createElement("canvas");
  canvas.width = 640; canvas.height = 360;
  const context = canvas.getContext("2d");
  let drawn = 0;
  setInterval(() => {
    context.fillStyle = "rgb(20,40,220)"; context.fillRect(0, 0, 640, 360);
    context.fillStyle = "white"; context.fillRect((drawn++ * 8) % 576, 140, 64, 64);
  }, 33);
  const audio = new AudioContext(), tone = audio.createOscillator(), out = audio.createMediaStreamDestination();
  await audio.resume(); tone.connect(out); tone.start();
  const tracks = [canvas.captureStream(30).getVideoTracks()[0], out.stream.getAudioTracks()[0]];
  const peer = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  for (const track of tracks) peer.addTransceiver(track, { direction: "sendonly" });
  await peer.setLocalDescription(await peer.createOffer());
  const headers = { "Authorization": `Bearer ${key}`, "Content-Type": "application/sdp" };
  const answer = await fetch(url, { method: "POST", headers, body: peer.localDescription.sdp });
  if (answer.status !== 201) return [answer.status, await answer.text()];
  const session = new URL(answer.headers.get("Location"), url), tag = answer.headers.get("ETag");
  await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  peer.onicecandidate = async ({ candidate }) => {
    if (!candidate || !candidate.candidate) return;
    const ufrag = /a=ice-ufrag:(.*)/.exec(peer.localDescription.sdp)[1].trim();
    const pwd = /a=ice-pwd:(.*)/.exec(peer.localDescription.sdp)[1].trim();
    const body = `a=ice-ufrag:${ufrag}\\r\\na=ice-pwd:${pwd}\\r\\nm=video 9 UDP/TLS/RTP/SAVPF 0\\r\\n`
      + `a=mid:${candidate.sdpMid}\\r\\na=${candidate.candidate}\\r\\n`;
    const sent = await fetch(session, { method: "PATCH", body,
      headers: { ...headers, "Content-Type": "application/trickle-ice-sdpfrag", "If-Match": tag } });
    (window.__trickled ??= []).push(sent.status);
  };
  window.__whip = { peer, session, headers };
  return [answer.status, ""];
}
"""
_LEAVE = """
async () => {
  const { peer, session, headers } = window.__whip;
  const answer = await fetch(session, { method: "DELETE", headers });
  peer.close();
  return [answer.status, window.__trickled ?? []];
}
"""


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with Product.start(
        tmp_path_factory.mktemp("whip"),
        channels={"main": SMALL},
        feeds=(Seed(BACKUP, "test", options={"width": "320", "height": "180"}),),
    ) as running:
        yield running


@pytest.fixture
async def client(product: Product) -> AsyncIterator[Client]:
    async with product.client() as speaking:
        yield speaking


async def a_feed(client: Client) -> dict[str, Any]:
    made: dict[str, Any] = await client.api("POST", "/feeds", {"kind": "whip", "name": "Phone"})
    assert made["publish_url"] == f"{client.product.url}/whip/{made['id']}"
    assert len(made["stream_key"]) >= 20
    return made


@pytest.mark.peer
async def test_ffmpeg_by_whip_is_seen_and_heard_in_step(product: Product, client: Client) -> None:
    feed = await a_feed(client)
    clip = clip_file(ClipSpec(seconds=40))
    async with publishing_by_whip(feed["publish_url"], feed["stream_key"], clip):
        await client.state(feed["id"], "live")
        iso = await client.api("POST", "/isos", {"feed": feed["id"]})
        await client.program("main", feed["id"], BACKUP)
        await client.picture("main", feed["id"])
        since = newest(await client.playlist("main", "v180"))[0] + 1
        recording = await collect(client.session, product.hls("main"), 8.0)
        view = await client.feed(feed["id"])
        assert (view["video_codec"], view["audio_codec"]) == ("h264", "opus")
        assert (view["width"], view["height"]) == (320, 180)
        (part,) = (await client.api("POST", f"/isos/{iso['id']}/stop"))["parts"]
        assert (part["video"], part["audio"], part["width"]) == ("h264", "opus", 320)
        film = (await client.get_as_staff(part["url"]))[1]
        assert {kind for kind, _, _ in packets_of(film)} == {"video", "audio"}
    assert not check(recording)
    assert seams(recording) == []
    watched = watch(recording, since=since)
    assert len(watched.offsets) >= 3, watched
    assert abs(statistics.median(watched.offsets)) < IN_STEP, watched.offsets
    # Killed, not closed: nobody said goodbye, ICE and media stop at once, and the backup is on air.
    await client.picture("main", BACKUP)


@pytest.mark.e2e
async def test_chromium_by_whip_is_on_program(product: Product, client: Client) -> None:
    if chromium() is None:
        pytest.skip("not published to from a browser: there is no Chromium")
    feed = await a_feed(client)
    async with browser() as chrome:
        page = await chrome.new_page()
        await page.goto(f"{product.url}/healthz")
        status, text = await page.evaluate(_PUBLISH, [feed["publish_url"], feed["stream_key"]])
        assert status == 201, text
        await client.state(feed["id"], "live")

        async def known() -> bool:
            view = await client.feed(feed["id"])
            return (
                view["video_codec"] in {"h264", "vp8"} and view["audio_codec"] == "opus" and view["width"] > 0
            )

        await until(known, 20, "both tracks of the browser")
        iso = await client.api("POST", "/isos", {"feed": feed["id"]})
        await client.program("main", feed["id"])
        await client.picture("main", feed["id"])
        assert "Chrome" in (await client.feed(feed["id"]))["peer"]
        parts = (await client.api("POST", f"/isos/{iso['id']}/stop"))["parts"]
        film = (await client.get_as_staff(parts[0]["url"]))[1]
        assert parts[0]["video"] in {"h264", "vp8"}
        assert {kind for kind, _, _ in packets_of(film)} == {"video", "audio"}
        status, trickled = await page.evaluate(_LEAVE)
        assert status == 200
        assert set(trickled) <= {204}
        view = await client.feed(feed["id"])
        assert (view["state"], view["reason"]) == ("lost", "the sender ended the stream")
    await client.picture("main", "slate")
