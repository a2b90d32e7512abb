"""RTSP feeds in pure code: addresses, credentials, hosts, and the receiving child's words."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

import pytest

from media.ingest.rtsp import REDIRECTED, Rtsp, allowed, missed_in, place_of, reason_in
from media.model.errors import SpecError
from media.model.feed import FeedKind, FeedSpec

RTSP = Rtsp()
CAM = FeedSpec("cam", FeedKind.RTSP)
ADDRESS = ipaddress.ip_address("10.1.2.3")


def cam(**options: str) -> FeedSpec:
    return replace(CAM, options=tuple(sorted(options.items())))


def test_credentials_leave_the_options_wherever_they_stood() -> None:
    in_url = RTSP.prepare(cam(url="rtsp://admin:p%40ss@cam.local:8554/live?ch=1"), None, [])
    apart = RTSP.prepare(
        cam(url="rtsp://cam.local:8554/live?ch=1", username="admin", password="p@ss"), None, []
    )
    for made in (in_url, apart):
        assert made.options == (("url", "rtsp://cam.local:8554/live?ch=1"),)
        assert made.secret == "admin:p%40ss"
        assert "p%40ss" not in repr(made)
        assert "file 'rtsp://admin:p%40ss@10.1.2.3:8554/live?ch=1'" in RTSP.script(made, ADDRESS, patience=5)
    assert place_of("rtsp://cam.local/x") == ("cam.local", 554)


def test_nothing_of_a_password_can_break_out_of_the_script() -> None:
    made = RTSP.prepare(cam(url="rtsp://c/x", username="a'b", password="c' \\ /#?@:"), None, [])
    script = RTSP.script(made, ADDRESS, patience=5)
    assert script.count("'") == 2
    assert len(script.splitlines()) == 5
    quiet = RTSP.script(RTSP.prepare(cam(url="rtsp://c/x", audio="off"), None, []), ADDRESS, patience=5)
    assert "option allowed_media_types video" in quiet


def test_a_password_stays_with_its_camera() -> None:
    made = RTSP.prepare(cam(url="rtsp://u:secret@cam.local/one"), None, [])
    same = RTSP.prepare(cam(url="rtsp://cam.local/two", transport="udp"), made, [])
    assert same.secret == "u:secret"
    for elsewhere in ("rtsp://other.local/one", "rtsp://cam.local:8554/one"):
        assert RTSP.prepare(cam(url=elsewhere), made, []).secret == ""


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({}, "options.url"),
        ({"url": "rtsp://"}, "options.url"),
        ({"url": "http://cam/x"}, "options.url"),
        ({"url": "rtsp://cam/x'\nfile y"}, "options.url"),
        ({"url": "rtsp://cam:0/x"}, "options.url"),
        ({"url": "rtsp://cam:99999/x"}, "options.url"),
        ({"url": "rtsp://cam/" + "x" * 500}, "options.url"),
        ({"url": "rtsp://cam/x", "transport": "http"}, "options.transport"),
        ({"url": "rtsp://cam/x", "audio": "maybe"}, "options.audio"),
        ({"url": "rtsp://cam/x", "password": "p"}, "options.username"),
        ({"url": "rtsp://a:b@cam/x", "username": "c"}, "options.username"),
        ({"url": "rtsp://cam/x", "username": "a", "password": "b\n"}, "options.password"),
        ({"url": "rtsp://cam/x", "loop": "1"}, "options.loop"),
    ],
)
def test_wrong_options_are_named(options: dict[str, str], field: str) -> None:
    with pytest.raises(SpecError) as wrong:
        RTSP.prepare(cam(**options), None, [])
    assert wrong.value.field == field
    assert options.get("password", "p") == "p" or options["password"] not in str(wrong.value)


@pytest.mark.parametrize(
    ("address", "networks", "may"),
    [
        ("192.168.0.9", ("192.168.0.0/16",), True),
        ("192.169.0.9", ("192.168.0.0/16",), False),
        ("8.8.8.8", ("0.0.0.0/0",), True),
        ("127.0.0.1", ("0.0.0.0/0",), False),
        ("127.0.0.1", ("0.0.0.0/0", "127.0.0.1/32"), True),
        ("169.254.169.254", ("0.0.0.0/0",), False),
        ("169.254.1.2", ("169.254.0.0/16",), True),
        ("::1", ("::/0",), False),
        ("::1", ("::1/128",), True),
        ("fd00::9", ("fc00::/7",), True),
        ("fe80::1", ("::/0",), False),
        ("::ffff:127.0.0.1", ("::/0", "0.0.0.0/0"), False),
        ("::ffff:10.0.0.1", ("10.0.0.0/8",), True),
        ("239.1.1.1", ("0.0.0.0/0",), False),
        ("0.0.0.0", ("0.0.0.0/0", "0.0.0.0/32"), False),
        ("10.0.0.1", (), False),
    ],
)
def test_hosts_are_asked_only_where_the_settings_say(
    address: str, networks: tuple[str, ...], may: bool
) -> None:
    given = [ipaddress.ip_network(each) for each in networks]
    assert allowed(ipaddress.ip_address(address), given) is may


def test_the_childs_words_become_reasons_without_the_cameras_words() -> None:
    for line, reason in (
        ("[rtsp @ 0x5] [error] method DESCRIBE failed: 401 Unauthorized", "refuses user name and password"),
        ("[rtsp @ 0x5] [error] method DESCRIBE failed: 404 <b>secret</b>", "knows no such path"),
        ("[rtsp @ 0x5] [error] method SETUP failed: 461 Unsupported", "does not offer this transport"),
        ("[rtsp @ 0x5] [error] method PLAY failed: 503 Busy", "with status 503"),
        ("Connection attempt to 10.0.0.1 port 554 failed: Connection refused", "nothing listens"),
        ("[in#0 @ 0x5] [error] Error opening input: Connection timed out", "does not answer"),
        ("[rtsp @ 0x5] [error] Protocol 'rtsp' not on whitelist 'pipe,rtp,tcp,udp'!", REDIRECTED),
        ("[rtsp @ 0x5] [info] Status 302: Redirecting to rtsp://127.0.0.1/", REDIRECTED),
    ):
        found = reason_in(line)
        assert found is not None
        assert reason in found
        assert "secret" not in found
    assert reason_in("[info] Stream mapping:") is None
    assert missed_in("[rtsp @ 0x5] [warning] RTP: missed 12 packets") == 12
    assert missed_in("nothing of the kind") == 0
