"""Offers of WHIP clients: read strictly, written anew with what we take, answers and trickled candidates likewise.

What the WebRTC library is given is never the sender's text but ours, made of the values that were understood here: it
trusts what it reads, and knows fewer H.264 profiles than our decoders do. RFC 8866 (SDP), RFC 9429 (JSEP), RFC 9725 §4.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from media.model.errors import SpecError
from media.model.tracks import Codec, MediaKind

MAX_SDP = 64 << 10
"""Bytes of an offer or a fragment; browsers' offers have 3 to 10 kB."""
MAX_LINES = 1000
MAX_LINE = 4096
MAX_CANDIDATES = 64
"""Candidates of one session: a laptop with VPNs and two families of addresses has about a dozen."""
FEEDBACK = frozenset({"nack", "nack pli", "goog-remb"})
"""What we send to a sender: repeats, new pictures, and what the line carries."""
EXTENSIONS = frozenset(
    {
        "urn:ietf:params:rtp-hdrext:sdes:mid",
        "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    }
)
"""Header extensions that are used. Not among them is urn:3gpp:video-orientation: a sender whose receiver does not take
it turns the picture itself (RFC 7742 §4), which costs us nothing and suits every decoder."""
H264_FMTP = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"
"""What the library is told of H.264, whatever profile was offered: we do not decode by it."""

_MID = re.compile(r"^[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,32}$")
_ICE = re.compile(r"^[A-Za-z0-9+/]{4,256}$")
_PASSWORD = re.compile(r"^[A-Za-z0-9+/]{22,256}$")
_FINGERPRINT = re.compile(r"^(sha-256|sha-384|sha-512) ([0-9A-F]{2}(?::[0-9A-F]{2}){31,63})$", re.IGNORECASE)
_MEDIA = re.compile(r"^(\w{1,20}) (\d{1,5}) ([A-Z/]{1,30}) (.{1,1000})$")
_RTPMAP = re.compile(r"^(\d{1,3}) ([A-Za-z0-9_.-]{1,40})/(\d{1,9})(?:/(\d))?$")
_EXTMAP = re.compile(r"^(\d{1,3})(?:/\w+)? (\S{1,200})$")
_CANDIDATE = re.compile(
    r"^([A-Za-z0-9+/]{1,32}) (\d{1,3}) (\w{1,8}) (\d{1,10}) (\S{1,64}) (\d{1,5}) typ (\w{1,8})\b"
)
_SSRC = re.compile(r"^(\d{1,10}) ")
_FID = re.compile(r"^FID (\d{1,10}) (\d{1,10})$")
_PROTOCOLS = frozenset({"UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "RTP/SAVPF"})
_WANTED = {MediaKind.VIDEO: (Codec.H264, Codec.VP8), MediaKind.AUDIO: (Codec.OPUS,)}
_RATES = {Codec.H264: 90_000, Codec.VP8: 90_000, Codec.OPUS: 48_000}
_NAMES = {Codec.H264: "H264", Codec.VP8: "VP8", Codec.OPUS: "opus"}


class MalformedError(SpecError):
    """It is no session description at all: its field begins with `sdp`. Of one that we cannot serve it is `offer…`."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An address to try: UDP, component 1, numeric."""

    foundation: str
    priority: int
    address: str
    port: int
    kind: str
    """`host`, `srflx`, `relay`."""

    def __str__(self) -> str:
        related = "" if self.kind == "host" else " raddr 0.0.0.0 rport 0"
        return f"{self.foundation} 1 udp {self.priority} {self.address} {self.port} typ {self.kind}{related}"


@dataclass(frozen=True, slots=True)
class Section:
    """One track that the sender offers, with the one codec that we take."""

    kind: MediaKind
    mid: str
    codec: Codec
    payload: int
    fmtp: str
    """As offered; empty where there was none."""
    repair: int | None
    """Payload type of its retransmissions (RFC 4588)."""
    feedback: tuple[str, ...]
    extensions: tuple[tuple[int, str], ...]
    sources: tuple[int, ...]
    """SSRC of the media, then of its retransmissions; empty where they are not told."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a sender wants to send, and how it is reached."""

    sections: tuple[Section, ...]
    ufrag: str
    password: str
    fingerprints: tuple[tuple[str, str], ...]
    setup: str
    candidates: tuple[Candidate, ...]
    lite: bool = False

    def section(self, kind: MediaKind) -> Section | None:
        """The track of a kind."""
        return next((each for each in self.sections if each.kind is kind), None)


@dataclass(frozen=True, slots=True)
class Fragment:
    """What a PATCH brings (RFC 8840 §4): candidates of one ICE generation."""

    ufrag: str
    password: str
    candidates: tuple[Candidate, ...]


@dataclass(slots=True)
class _Block:
    """Lines of the session level, or of one m= section, attributes by name."""

    media: str = ""
    attributes: list[tuple[str, str]] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]

    def first(self, name: str) -> str | None:
        return next((value for key, value in self.attributes if key == name), None)


def read_offer(text: str) -> Offer:
    """Understand an offer. Raises `MalformedError`, or `SpecError` for one that we cannot serve; both name the field."""
    session, blocks = _blocks(text, whole=True)
    if not blocks:
        raise SpecError("the offer has no media: a sender offers sound, a picture, or both", field="offer.m")
    kinds: set[MediaKind] = set()
    sections = []
    for place, block in enumerate(blocks):
        section = _section(block, f"m.{place}")
        if section.kind in kinds:
            raise SpecError(f"there is more than one {section.kind} track", field=f"offer.m.{place}")
        kinds.add(section.kind)
        sections.append(section)
    _check_bundle(session, sections)
    lead = blocks[0]
    ufrag, password = _credentials(lead, session)
    return Offer(
        tuple(sections),
        ufrag,
        password,
        _fingerprints(lead, session),
        _setup(lead, session),
        _candidates([line for block in blocks for line in block.all("candidate")]),
        session.first("ice-lite") is not None,
    )


def write_offer(offer: Offer) -> str:
    """The offer in our own words, for the WebRTC library."""
    lines = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0"]
    lines += ["a=ice-lite"] if offer.lite else []
    lines += ["a=group:BUNDLE " + " ".join(section.mid for section in offer.sections)]
    for place, section in enumerate(offer.sections):
        payloads = str(section.payload) if section.repair is None else f"{section.payload} {section.repair}"
        lines += [f"m={section.kind.value} 9 UDP/TLS/RTP/SAVPF {payloads}", "c=IN IP4 0.0.0.0"]
        lines += [f"a=mid:{section.mid}", "a=sendonly", "a=rtcp-mux"]
        lines += [f"a=ice-ufrag:{offer.ufrag}", f"a=ice-pwd:{offer.password}", "a=ice-options:trickle"]
        lines += [f"a=fingerprint:{kind} {value}" for kind, value in offer.fingerprints]
        lines += [f"a=setup:{offer.setup}"]
        lines += [f"a=extmap:{number} {uri}" for number, uri in section.extensions]
        lines += _formats(section)
        if len(section.sources) > 1:
            lines += [f"a=ssrc-group:FID {section.sources[0]} {section.sources[1]}"]
        lines += [f"a=ssrc:{source} cname:sender" for source in section.sources]
        if place == 0:
            lines += [f"a=candidate:{each}" for each in offer.candidates]
    return "\r\n".join(lines) + "\r\n"


def _formats(section: Section) -> list[str]:
    payload, rate = section.payload, _RATES[section.codec]
    channels = "/2" if section.codec is Codec.OPUS else ""
    lines = [f"a=rtpmap:{payload} {_NAMES[section.codec]}/{rate}{channels}"]
    if section.codec is Codec.H264:
        lines += [f"a=fmtp:{payload} {H264_FMTP}"]
    lines += [f"a=rtcp-fb:{payload} {each}" for each in section.feedback]
    if section.repair is not None:
        lines += [f"a=rtpmap:{section.repair} rtx/{rate}", f"a=fmtp:{section.repair} apt={payload}"]
    return lines


def write_answer(answer: str, offer: Offer, public_address: str = "") -> str:
    """The library's answer for the sender: the offered profile of H.264 put back, all sections receive only, and where
    we are behind address translation, each of our ports at the public address as well, before the local ones.
    """
    lines: list[str] = []
    for line in answer.splitlines():
        name, _, value = line.partition(":")
        if name == "a=fmtp" and (fmtp := _offered_fmtp(value, offer)):
            lines.append(f"a=fmtp:{fmtp}")
        elif line in {"a=sendrecv", "a=sendonly"}:
            lines.append("a=recvonly")
        elif name == "a=candidate" and public_address:
            lines += [*_public(value, public_address), line]
        else:
            lines.append(line)
    return "\r\n".join(lines) + "\r\n"


def _offered_fmtp(value: str, offer: Offer) -> str:
    payload = value.partition(" ")[0]
    section = offer.section(MediaKind.VIDEO)
    if section is None or section.codec is not Codec.H264 or payload != str(section.payload):
        return ""
    return f"{payload} {section.fmtp}"


def _public(value: str, address: str) -> list[str]:
    found = _CANDIDATE.match(value)
    if found is None or found[7] != "host":
        return []
    try:
        if ipaddress.ip_address(found[5]).version != ipaddress.ip_address(address).version:
            return []
    except ValueError:
        return []  # a name: nothing is known of its family
    priority = min(int(found[4]) + 1, 0x7FFFFFFF)
    return [f"a=candidate:p{found[1][:30]} 1 udp {priority} {address} {found[6]} typ host"]


def read_fragment(text: str) -> Fragment:
    """Understand the body of a PATCH. Raises `MalformedError`."""
    session, blocks = _blocks(text, whole=False)
    ufrag = next((each for block in (session, *blocks) if (each := block.first("ice-ufrag"))), "")
    password = next((each for block in (session, *blocks) if (each := block.first("ice-pwd"))), "")
    if (ufrag and not _ICE.match(ufrag)) or (password and not _PASSWORD.match(password)):
        raise MalformedError("ice-ufrag or ice-pwd has characters that it cannot have", field="sdp.ice-ufrag")
    lines = [line for block in (session, *blocks) for line in block.all("candidate")]
    return Fragment(ufrag, password, _candidates(lines))


def _blocks(text: str, *, whole: bool) -> tuple[_Block, list[_Block]]:
    if len(text) > MAX_SDP:
        raise MalformedError(f"more than {MAX_SDP} bytes", field="sdp")
    lines = [line.rstrip("\r") for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    if len(lines) > MAX_LINES:
        raise MalformedError(f"more than {MAX_LINES} lines", field="sdp")
    if whole and (not lines or lines[0] != "v=0"):
        raise MalformedError("it does not begin with v=0", field="sdp")
    session = current = _Block()
    blocks: list[_Block] = []
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LINE or len(line) < 2 or line[1] != "=" or not line.isprintable():
            raise MalformedError(f"line {number} is no line of a session description", field="sdp")
        if line[0] == "m":
            current = _Block(line[2:])
            blocks.append(current)
        elif line[0] == "a":
            name, _, value = line[2:].partition(":")
            current.attributes.append((name, value))
    return session, blocks


def _section(block: _Block, path: str) -> Section:
    found = _MEDIA.match(block.media)
    if found is None:
        raise MalformedError("an m= line that cannot be read", field=f"sdp.{path}")
    name, protocol = found[1], found[3]
    if name not in {"audio", "video"}:
        raise SpecError(f"only audio and video are taken, no {name}", field=f"offer.{path}")
    if protocol not in _PROTOCOLS:
        raise SpecError("media must be UDP/TLS/RTP/SAVPF", field=f"offer.{path}")
    if any(block.first(each) is not None for each in ("recvonly", "inactive")):
        raise SpecError("a sender's tracks are sendonly or sendrecv", field=f"offer.{path}")
    if found[2] == "0" and block.first("bundle-only") is None:
        raise SpecError("the track is switched off (port 0)", field=f"offer.{path}")
    if block.first("rtcp-mux") is None:
        raise SpecError("rtcp-mux is needed", field=f"offer.{path}.rtcp-mux")
    kind = MediaKind(name)
    mid = block.first("mid") or ("0" if kind is MediaKind.AUDIO else "1")
    if not _MID.match(mid):
        raise MalformedError("a mid that cannot be", field=f"sdp.{path}.mid")
    return _with_codec(block, path, kind, mid, found[4].split())


def _with_codec(block: _Block, path: str, kind: MediaKind, mid: str, payloads: Sequence[str]) -> Section:
    maps = {found[1]: found for value in block.all("rtpmap") if (found := _RTPMAP.match(value))}
    fmtps = {value.partition(" ")[0]: value.partition(" ")[2].strip() for value in block.all("fmtp")}
    for codec in _WANTED[kind]:
        for payload in payloads:
            found = maps.get(payload)
            if found is None or found[2].lower() != _NAMES[codec].lower() or int(found[3]) != _RATES[codec]:
                continue
            fmtp = fmtps.get(payload, "")
            if codec is Codec.H264 and _parameter(fmtp, "packetization-mode") != "1":
                continue
            if not 96 <= int(payload) <= 127 and not 35 <= int(payload) <= 63:
                continue  # static payload types (RFC 3551) and those that RTCP shares (RFC 5761 §4)
            repair = _repair(payload, payloads, maps, fmtps)
            return Section(
                kind,
                mid,
                codec,
                int(payload),
                fmtp,
                repair,
                _feedback(block, payload),
                _extensions(block),
                _sources(block, with_repair=repair is not None),
            )
    wanted = "H.264 (packetization-mode=1) or VP8" if kind is MediaKind.VIDEO else "Opus"
    raise SpecError(
        f"no {kind} codec that is taken was offered: {wanted} is needed", field=f"offer.{path}.rtpmap"
    )


def _parameter(fmtp: str, name: str) -> str:
    for part in fmtp.split(";"):
        key, _, value = part.strip().partition("=")
        if key.lower() == name:
            return value
    return ""


def _repair(
    payload: str, payloads: Sequence[str], maps: dict[str, re.Match[str]], fmtps: dict[str, str]
) -> int | None:
    for other in payloads:
        found = maps.get(other)
        if found and found[2].lower() == "rtx" and _parameter(fmtps.get(other, ""), "apt") == payload:
            return int(other)
    return None


def _feedback(block: _Block, payload: str) -> tuple[str, ...]:
    found = [
        value.partition(" ")[2] for value in block.all("rtcp-fb") if value.split(" ")[0] in {payload, "*"}
    ]
    return tuple(dict.fromkeys(each for each in found if each in FEEDBACK))


def _extensions(block: _Block) -> tuple[tuple[int, str], ...]:
    found = [match for value in block.all("extmap") if (match := _EXTMAP.match(value))]
    return tuple(
        (int(match[1]), match[2]) for match in found if match[2] in EXTENSIONS and 1 <= int(match[1]) <= 14
    )


def _sources(block: _Block, *, with_repair: bool) -> tuple[int, ...]:
    for value in block.all("ssrc-group"):
        if with_repair and (found := _FID.match(value)):
            return int(found[1]) & 0xFFFFFFFF, int(found[2]) & 0xFFFFFFFF
    for value in block.all("ssrc"):
        if found := _SSRC.match(value):
            return (int(found[1]) & 0xFFFFFFFF,)
    return ()


def _check_bundle(session: _Block, sections: Sequence[Section]) -> None:
    mids = [section.mid for section in sections]
    if len(set(mids)) != len(mids):
        raise MalformedError("two tracks have one mid", field="sdp.mid")
    if len(sections) == 1:
        return
    groups = [value.split()[1:] for value in session.all("group") if value.split()[:1] == ["BUNDLE"]]
    if len(groups) != 1 or set(groups[0]) != set(mids):
        raise SpecError("all tracks must be in one BUNDLE group", field="offer.group")


def _credentials(lead: _Block, session: _Block) -> tuple[str, str]:
    ufrag = lead.first("ice-ufrag") or session.first("ice-ufrag") or ""
    password = lead.first("ice-pwd") or session.first("ice-pwd") or ""
    if not _ICE.match(ufrag):
        raise MalformedError("ice-ufrag is missing or cannot be", field="sdp.ice-ufrag")
    if not _PASSWORD.match(password):
        raise MalformedError("ice-pwd is missing or cannot be", field="sdp.ice-pwd")
    return ufrag, password


def _fingerprints(lead: _Block, session: _Block) -> tuple[tuple[str, str], ...]:
    found = [
        match
        for value in (lead.all("fingerprint") or session.all("fingerprint"))[:8]
        if (match := _FINGERPRINT.match(value.strip()))
    ]
    if not found:
        raise MalformedError("a fingerprint (sha-256, sha-384 or sha-512) is needed", field="sdp.fingerprint")
    return tuple((match[1].lower(), match[2].upper()) for match in found)


def _setup(lead: _Block, session: _Block) -> str:
    setup = lead.first("setup") or session.first("setup") or "actpass"
    if setup not in {"actpass", "active", "passive"}:
        raise MalformedError("setup is actpass, active or passive", field="sdp.setup")
    return setup


def _candidates(values: Sequence[str]) -> tuple[Candidate, ...]:
    """Those that we can use; the others are passed over in silence, as RFC 9725 §4.3.2 wants it."""
    if len(values) > 2 * MAX_CANDIDATES:
        raise MalformedError(f"more than {2 * MAX_CANDIDATES} candidates", field="sdp.candidate")
    found: dict[tuple[str, int], Candidate] = {}
    for value in values:
        match = _CANDIDATE.match(value)
        if match is None or match[2] != "1" or match[3].lower() != "udp":
            continue
        if match[7] not in {"host", "srflx", "relay"} or not 0 < int(match[6]) < 65_536:
            continue
        try:
            # Names of mDNS are not looked up: a sender that reaches us is seen by where its checks come from.
            address = str(ipaddress.ip_address(match[5]))
        except ValueError:
            continue
        priority = min(int(match[4]), 0x7FFFFFFF)
        found.setdefault(
            (address, int(match[6])), Candidate(match[1], priority, address, int(match[6]), match[7])
        )
    return tuple(found.values())[:MAX_CANDIDATES]
