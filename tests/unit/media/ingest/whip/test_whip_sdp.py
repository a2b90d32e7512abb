from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.ingest.whip import sdp
from media.model.errors import SpecError
from media.model.tracks import Codec, MediaKind
from tests.support.whip_offers import AUDIO, BUNDLE, CHROMIUM, FFMPEG, HEAD, VIDEO


def test_an_offer_of_ffmpeg_is_understood() -> None:
    offer = sdp.read_offer(FFMPEG)
    sound, picture = offer.sections
    assert (sound.kind, sound.codec, sound.payload) == (MediaKind.AUDIO, Codec.OPUS, 111)
    assert (picture.codec, picture.payload, picture.repair) == (Codec.H264, 106, 105)
    assert picture.sources == (3707884534, 3707884535)
    assert offer.setup == "passive"
    assert offer.fingerprints[0][0] == "sha-256"


def test_of_a_browsers_codecs_the_first_usable_h264_is_taken() -> None:
    picture = sdp.read_offer(CHROMIUM).section(MediaKind.VIDEO)
    assert picture is not None
    assert (picture.codec, picture.payload, picture.repair) == (Codec.H264, 102, 103)
    assert picture.feedback == ("goog-remb", "nack", "nack pli")
    assert {uri.rpartition(":")[2] for _, uri in picture.extensions} == {"mid", "//www.webrtc.org/experiments/rtp-hdrext/abs-send-time"}  # fmt: skip


def test_vp8_is_taken_where_there_is_no_h264() -> None:
    lines = [line for line in CHROMIUM.splitlines() if "H264" not in line]
    picture = sdp.read_offer("\r\n".join(lines)).section(MediaKind.VIDEO)
    assert picture is not None
    assert (picture.codec, picture.payload, picture.repair) == (Codec.VP8, 96, 97)


def test_candidates_that_cannot_be_used_are_passed_over() -> None:
    assert [(each.address, each.port) for each in sdp.read_offer(CHROMIUM).candidates] == [
        ("192.0.2.1", 61764)
    ]


def test_our_words_of_an_offer_say_the_same() -> None:
    for text in (FFMPEG, CHROMIUM):
        offer = sdp.read_offer(text)
        again = sdp.read_offer(sdp.write_offer(offer))
        video, former = again.section(MediaKind.VIDEO), offer.section(MediaKind.VIDEO)
        assert video is not None
        assert former is not None
        assert (again.ufrag, again.password, again.fingerprints, again.setup) == (
            offer.ufrag, offer.password, offer.fingerprints, offer.setup,
        )  # fmt: skip
        assert (video.payload, video.repair, video.sources) == (former.payload, former.repair, former.sources)
        assert "profile-level-id=42e01f" in video.fmtp  # the profile that the library knows


def test_sound_alone_and_a_picture_alone_are_taken() -> None:
    assert sdp.read_offer(HEAD + AUDIO).section(MediaKind.VIDEO) is None
    assert sdp.read_offer(HEAD + VIDEO).section(MediaKind.AUDIO) is None


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "sdp"),
        ("hello", "sdp"),
        ("{}", "sdp"),
        (FFMPEG.replace("a=mid:0", "a=mid:0\nnonsense"), "sdp"),
        (FFMPEG.replace("s=-", "s=\x00"), "sdp"),
        ("v=0\n" + "a=x\n" * 2000, "sdp"),
        ("v=0\na=" + "x" * sdp.MAX_SDP, "sdp"),
        (FFMPEG.replace("a=ice-ufrag:7251e6f3\n", ""), "sdp.ice-ufrag"),
        (FFMPEG.replace("7251e6f3", "x y z !"), "sdp.ice-ufrag"),
        (FFMPEG.replace("8154b287e91f07b61e56e58cc6b99dce", "short"), "sdp.ice-pwd"),
        (FFMPEG.replace("a=fingerprint:sha-256 20", "a=fingerprint:md5 20"), "sdp.fingerprint"),
        (FFMPEG.replace("a=setup:passive", "a=setup:later"), "sdp.setup"),
        (FFMPEG.replace("a=mid:1", "a=mid:0"), "sdp.mid"),
        (FFMPEG.replace("m=video 9 UDP", "m=video UDP"), "sdp.m.1"),
        (HEAD, "offer.m"),
        (HEAD + AUDIO + VIDEO, "offer.group"),
        (HEAD + BUNDLE + VIDEO + VIDEO.replace("mid:1", "mid:2"), "offer.m.1"),
        (FFMPEG.replace("m=video", "m=application"), "offer.m.1"),
        (FFMPEG.replace("a=sendonly", "a=recvonly"), "offer.m.0"),
        (FFMPEG.replace("a=rtcp-mux", "a=x"), "offer.m.0.rtcp-mux"),
        (FFMPEG.replace("H264", "H265"), "offer.m.1.rtpmap"),
        (FFMPEG.replace("packetization-mode=1", "packetization-mode=0"), "offer.m.1.rtpmap"),
        (FFMPEG.replace("opus/48000/2", "PCMU/8000"), "offer.m.0.rtpmap"),
    ],
)
def test_an_offer_that_cannot_be_names_what_is_at_fault(text: str, field: str) -> None:
    with pytest.raises(SpecError) as caught:
        sdp.read_offer(text)
    assert caught.value.field == field


@given(st.integers(0, len(FFMPEG)))
def test_an_offer_cut_off_anywhere_is_understood_or_refused(at: int) -> None:
    with suppress(SpecError):
        sdp.write_offer(sdp.read_offer(FFMPEG[:at]))


@given(st.lists(st.tuples(st.integers(0, len(CHROMIUM) - 1), st.characters()), max_size=20))
def test_a_forged_offer_is_understood_or_refused(changes: list[tuple[int, str]]) -> None:
    text = list(CHROMIUM)
    for at, character in changes:
        text[at] = character
    with suppress(SpecError):
        offer = sdp.read_offer("".join(text))
        assert sdp.read_offer(sdp.write_offer(offer)).ufrag == offer.ufrag


@given(st.text(max_size=300))
def test_a_fragment_of_anything_is_understood_or_refused(text: str) -> None:
    with suppress(SpecError):
        sdp.read_fragment(text)


def test_a_fragment_brings_candidates() -> None:
    fragment = sdp.read_fragment(
        "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n"
        "a=candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r\n"
        "a=candidate:2 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active\r\na=end-of-candidates\r\n"
    )
    assert fragment.ufrag == "EsAw"
    assert [str(each) for each in fragment.candidates] == ["1 1 udp 2122260223 192.0.2.1 61764 typ host"]


def test_the_answer_tells_the_offered_profile_and_the_public_address() -> None:
    offer = sdp.read_offer(FFMPEG)
    answer = (
        "v=0\r\nm=video 1 UDP/TLS/RTP/SAVPF 106\r\na=sendrecv\r\n"
        f"a=fmtp:106 {sdp.H264_FMTP}\r\na=fmtp:105 apt=106\r\n"
        "a=candidate:ab 1 udp 2130706431 10.0.0.5 40000 typ host\r\n"
        "a=candidate:cd 1 udp 2130706431 fd00::2 40001 typ host\r\n"
    )
    lines = sdp.write_answer(answer, offer, "203.0.113.7").splitlines()
    assert "a=fmtp:106 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=64001f" in lines
    assert "a=fmtp:105 apt=106" in lines
    assert "a=recvonly" in lines
    found = [line.split()[4] for line in lines if line.startswith("a=candidate")]
    assert found == ["203.0.113.7", "10.0.0.5", "fd00::2"]
