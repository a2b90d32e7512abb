"""SRT feeds in pure code: options, addresses, packets, and the receiving child's words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from media.ingest.srt import Srt, SrtDefaults, SrtWord, caller_of, heard, shutdown_of
from media.model.errors import SpecError
from media.model.feed import FeedKind, FeedSpec, SecondPublisher

SRT = Srt(SrtDefaults("0.0.0.0", "studio.example", range(9710, 9713), 0.2, 16))
CAM = FeedSpec("cam", FeedKind.SRT)


def cam(**options: str) -> FeedSpec:
    return replace(CAM, options=tuple(sorted(options.items())))


def test_a_feed_gets_a_port_and_a_passphrase_that_is_shown_nowhere() -> None:
    made = SRT.prepare(CAM, None, [])
    assert made.options == (("port", "9710"),)
    assert len(made.secret) >= 10
    assert made.secret not in repr(made)
    assert made.secret not in SRT.publish_url(made, secret=False)
    assert SRT.publish_url(made, secret=True) == (
        f"srt://studio.example:9710?mode=caller&pbkeylen=16&passphrase={made.secret}"
    )
    assert SRT.prepare(CAM, None, []).secret != made.secret


def test_ports_are_each_feeds_own_and_come_to_an_end() -> None:
    kept: list[FeedSpec] = []
    for name in "abc":
        kept.append(SRT.prepare(replace(CAM, id=name), None, kept))
    assert [each.option("port") for each in kept] == ["9710", "9711", "9712"]
    with pytest.raises(SpecError, match="all 3 ports are taken") as full:
        SRT.prepare(CAM, None, kept)
    assert full.value.field == "options.port"
    with pytest.raises(SpecError, match="another feed has port 9711"):
        SRT.prepare(cam(port="9711"), None, kept)
    other = FeedSpec("x", FeedKind.TEST, options=(("port", "9712"),))
    assert SRT.prepare(cam(port="9712"), None, [other]).option("port") == "9712"


def test_a_change_keeps_port_and_passphrase_unless_it_names_others() -> None:
    made = SRT.prepare(cam(passphrase="first-passphrase", port="9712"), None, [])
    kept = SRT.prepare(cam(latency="1.5"), made, [])
    assert (kept.option("port"), kept.secret) == ("9712", "first-passphrase")
    changed = SRT.prepare(cam(passphrase="other-passphrase"), made, [])
    assert changed.secret == "other-passphrase"
    assert "latency=1500000" in SRT.script(kept)
    assert "srt://0.0.0.0:9712?mode=listener&passphrase=first-passphrase" in SRT.script(kept)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"passphrase": "short"}, "options.passphrase"),
        ({"passphrase": "x" * 80}, "options.passphrase"),
        ({"passphrase": "with space & more"}, "options.passphrase"),
        ({"passphrase": "a-quote'\nfile x"}, "options.passphrase"),
        ({"port": "80"}, "options.port"),
        ({"port": "9710'"}, "options.port"),
        ({"port": "٩٧١٠"}, "options.port"),
        ({"latency": "nan"}, "options.latency"),
        ({"latency": "9"}, "options.latency"),
        ({"latency": "-1"}, "options.latency"),
        ({"key_length": "20"}, "options.key_length"),
        ({"streamid": "x"}, "options.streamid"),
    ],
)
def test_wrong_options_are_named(options: dict[str, str], field: str) -> None:
    with pytest.raises(SpecError) as wrong:
        SRT.prepare(cam(**options), None, [])
    assert wrong.value.field == field


def test_taking_over_is_refused_for_it_cannot_be_had() -> None:
    with pytest.raises(SpecError) as wrong:
        SRT.prepare(replace(CAM, second_publisher=SecondPublisher.TAKE_OVER), None, [])
    assert wrong.value.field == "second_publisher"


def induction(*, version: int = 4, kind: int = 1, caller: bytes = b"\1\2\3\4") -> bytes:
    body = bytearray(64)
    body[:4] = b"\x80\0\0\0"
    body[16:20] = version.to_bytes(4, "big")
    body[36:40] = kind.to_bytes(4, "big")
    body[40:44] = caller
    return bytes(body)


def test_only_what_opens_a_connection_is_a_knock() -> None:
    assert caller_of(induction()) == b"\1\2\3\4"
    for other in (
        b"",
        b"GET / HTTP/1.1\r\n\r\n" * 8,
        induction()[:63],
        induction(version=5),
        induction(kind=0xFFFFFFFF),  # a conclusion
        b"\x80\1\0\0" + bytes(80),  # keep-alive
        bytes(1316),  # data
    ):
        assert caller_of(other) is None
    assert shutdown_of(b"\1\2\3\4") == b"\x80\x05\0\0" + bytes(8) + b"\1\2\3\4" + bytes(4)


def test_the_childs_words_as_libsrt_says_them() -> None:
    refused = "22:37:52.333924/SRT:RcvQ:w1!W:SRT.cn: @889339490:newConnection: connection rejected due to: INTERNAL REJECTION - ERROR:BADSECRET"
    assert heard(refused) == (SrtWord.REFUSED, "a sender was refused: wrong passphrase")
    assert heard(refused.replace("BADSECRET", "UNSECURE")) == (
        SrtWord.REFUSED,
        "a sender was refused: it has no passphrase set",
    )
    assert heard(refused.replace("BADSECRET", "ROGUE")) == (SrtWord.REFUSED, "a sender was refused: rogue")
    assert heard("[srt @ 0x55] [verbose] accept streamid [cam/one\x07], length 7") == (
        SrtWord.ACCEPTED,
        "cam/one",
    )
    dropped = "22:37:52/SRT:TsbPd!W:SRT.br: @12: RCV-DROPPED 3 packet(s). Packet seqno %5 delayed for 17.1 ms"
    assert heard(dropped) == (SrtWord.DROPPED, "3")
    assert heard("[in#0 @ 0x5] [error] Error opening input: Connection timed out") == (SrtWord.NOBODY, "")
    for other in (
        "",
        "[info] Stream mapping:",
        "processConnectRequest: rsp(REJECT): 1010 - Incorrect passphrase",
    ):
        assert heard(other) is None
