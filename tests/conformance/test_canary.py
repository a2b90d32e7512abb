"""The checker accepts what is right, and rejects a canary for each rule that it lists: a checker that cannot fail
proves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from fractions import Fraction
from functools import cache

import pytest

from media.model.channel import ChannelSpec, Rung
from tests.conformance import checker, media_checks
from tests.conformance.checker import Recording
from tests.conformance.media_checks import check
from tests.conformance.synthetic import SPEC, record

Break = Callable[[Recording], None]
CANARIES: list[tuple[str, Break]] = []


@cache
def _good() -> Recording:
    return record(restart_after=6)


def canary(rule: str) -> Callable[[Break], Break]:
    def register(function: Break) -> Break:
        CANARIES.append((rule, function))
        return function

    return register


def edit(recording: Recording, pattern: str, new: str, *, where: int = -1, rendition: str = "v360") -> None:
    """Change the first match of a pattern in one answer of a rendition, which must have one."""
    at = [i for i, answer in enumerate(recording.answers) if answer.rendition == rendition][where]
    answer = recording.answers[at]
    text, count = re.subn(pattern, new, answer.text, count=1, flags=re.MULTILINE)
    assert count == 1, f"nothing to break: {pattern}"
    recording.answers[at] = replace(answer, text=text)


def whole(recording: Recording) -> int:
    """Position, among the answers of `v360`, of the last whole playlist."""
    mine = [answer for answer in recording.answers if answer.rendition == "v360"]
    return max(i for i, answer in enumerate(mine) if not answer.skip)


def test_a_good_recording_is_accepted() -> None:
    assert check(_good()) == []
    assert any("#EXT-X-DISCONTINUITY\n" in answer.text for answer in _good().answers)


def test_a_discontinuity_is_seen_wherever_it_was_listed() -> None:
    assert {msn for _, msn in checker.seams(_good())} == {6}
    assert {name for name, _ in checker.seams(_good())} == {answer.rendition for answer in _good().answers}
    assert checker.seams(_good(), since=7) == []
    assert checker.seams(record()) == []


@pytest.mark.parametrize("rate", ["24", "25", "30", "30000/1001", "50", "60", "60000/1001"])
def test_every_rate_is_accepted(rate: str) -> None:
    fraction = Fraction(rate)
    gop = round(fraction)
    gop -= gop % 3
    spec = ChannelSpec(
        "c",
        width=320,
        height=180,
        ladder=(Rung(180, 300_000),),
        rate=fraction,
        gop_frames=gop,
        part_frames=gop // 3,
    )
    recording = record(spec, 20)
    assert check(recording) == []
    assert any("#EXT-X-SKIP" in answer.text for answer in recording.answers), "delta updates were not seen"


@canary("syntax")
def _(recording: Recording) -> None:
    edit(recording, "#EXTINF:2.0,", "#EXTINF:two,")


@canary("syntax")
def _(recording: Recording) -> None:
    edit(recording, "#EXT-X-MAP.*\n", "", where=0)


@canary("syntax")
def _(recording: Recording) -> None:
    edit(recording, "CAN-BLOCK-RELOAD=YES,", "", where=0)


@canary("fixed")
def _(recording: Recording) -> None:
    edit(recording, "TARGETDURATION:2", "TARGETDURATION:3")


@canary("fixed")
def _(recording: Recording) -> None:
    edit(recording, "PART-TARGET=0.341334", "PART-TARGET=0.35")


@canary("hold-back")
def _(recording: Recording) -> None:
    edit(recording, "PART-HOLD-BACK=[0-9.]+", "PART-HOLD-BACK=0.9", where=0)


@canary("hold-back")
def _(recording: Recording) -> None:
    edit(recording, "CAN-SKIP-UNTIL=[0-9.]+", "CAN-SKIP-UNTIL=10.0", where=0)


@canary("sequence")
def _(recording: Recording) -> None:
    recording.answers.append(next(answer for answer in recording.answers if answer.rendition == "v360"))


@canary("frozen")
def _(recording: Recording) -> None:
    edit(recording, "#EXTINF:2.0,", "#EXTINF:1.99,", where=whole(recording))


@canary("frozen")
def _(recording: Recording) -> None:
    edit(recording, ",INDEPENDENT=YES", "")


@canary("window")
def _(recording: Recording) -> None:
    at = max(
        i for i, answer in enumerate(recording.answers) if answer.rendition == "v360" and not answer.skip
    )
    text = recording.answers[at].text.replace("MEDIA-SEQUENCE:0", "MEDIA-SEQUENCE:9")
    head, tail = text[: text.index("#EXT-X-PROGRAM-DATE-TIME")], text[text.index("2-8.m4s\n") + 8 :]
    recording.answers[at] = replace(recording.answers[at], text=head + tail)


@canary("discontinuity")
def _(recording: Recording) -> None:
    edit(
        recording,
        "#EXT-X-MEDIA-SEQUENCE:.*",
        r"\g<0>\n#EXT-X-DISCONTINUITY-SEQUENCE:7",
        where=whole(recording),
    )


@canary("discontinuity")
def _(recording: Recording) -> None:
    edit(recording, "#EXT-X-DISCONTINUITY\n", "", where=whole(recording))


@canary("names")
def _(recording: Recording) -> None:
    for i, answer in enumerate(recording.answers):
        recording.answers[i] = replace(answer, text=answer.text.replace("1-4.m4s", "1-3.m4s"))


@canary("part-length")
def _(recording: Recording) -> None:
    for i, answer in enumerate(recording.answers):
        recording.answers[i] = replace(
            answer, text=re.sub(r"DURATION=[0-9.]+,(URI=.2-8.1)", r"DURATION=0.342,\1", answer.text)
        )


@canary("part-length")
def _(recording: Recording) -> None:
    for i, answer in enumerate(recording.answers):
        recording.answers[i] = replace(
            answer, text=re.sub(r"DURATION=[0-9.]+,(URI=.2-8.1)", r"DURATION=0.289,\1", answer.text)
        )


@canary("extinf")
def _(recording: Recording) -> None:
    edit(recording, "#EXTINF:2.0,", "#EXTINF:2.6,", where=whole(recording))


@canary("extinf")
def _(recording: Recording) -> None:
    edit(recording, '(2-13.4.m4s"\n.*\n)#EXTINF:2.0,', r"\1#EXTINF:1.9,")


@canary("time")
def _(recording: Recording) -> None:
    edit(recording, "#EXT-X-PROGRAM-DATE-TIME:.*\n(#EXT-X-PART[^\n]*2-13)", r"\1")


@canary("time")
def _(recording: Recording) -> None:
    for i, answer in enumerate(recording.answers):
        recording.answers[i] = replace(
            answer, text=re.sub(r"(DATE-TIME:.*)\.000Z(\n#EXT-X-PART.*2-9)", r"\1.100Z\2", answer.text)
        )


@canary("blocking")
def _(recording: Recording) -> None:
    last = recording.answers[-1]
    assert last.msn is not None
    recording.answers[-1] = replace(last, msn=last.msn + 1)


@canary("delta")
def _(recording: Recording) -> None:
    recording.answers = [answer for answer in recording.answers if "#EXT-X-SKIP" in answer.text]


@canary("delta")
def _(recording: Recording) -> None:
    recording.answers = [replace(answer, skip=False) for answer in recording.answers]


@canary("hint")
def _(recording: Recording) -> None:
    edit(
        recording,
        'TYPE=PART,URI="(2-9.3.m4s)"',
        'TYPE=PART,URI="x.m4s"',
        where=_position(recording, "2-9.2.m4s"),
    )


@canary("reports")
def _(recording: Recording) -> None:
    edit(recording, "#EXT-X-RENDITION-REPORT:.*\n", "")


@canary("reports")
def _(recording: Recording) -> None:
    edit(recording, "LAST-MSN=13", "LAST-MSN=3")


@canary("alignment")
def _(recording: Recording) -> None:
    for i, answer in enumerate(recording.answers):
        if answer.rendition == "v360":
            shifted = re.sub(r"(DATE-TIME:.*)\.000Z", r"\1.050Z", answer.text)
            recording.answers[i] = replace(answer, text=shifted)


def _position(recording: Recording, newest: str) -> int:
    """Among the answers of `v360`, the last one whose newest part is this."""
    mine = [answer for answer in recording.answers if answer.rendition == "v360"]
    newest_of = [re.findall(r'#EXT-X-PART:.*URI="(.*?)"', answer.text) for answer in mine]
    return max(i for i, names in enumerate(newest_of) if names and names[-1] == newest)


def _swap(recording: Recording, name: str, change: Callable[[bytes], bytes], rendition: str = "v360") -> None:
    recording.objects[rendition, name] = [change(body) for body in recording.objects[rendition, name]]


@canary("bytes")
def _(recording: Recording) -> None:
    recording.objects["v360", "2-8.m4s"].append(b"other")


@canary("bytes")
def _(recording: Recording) -> None:
    _swap(recording, "2-8.m4s", lambda body: body[:-1] + b"!")


@canary("fragments")
def _(recording: Recording) -> None:
    _swap(recording, "2-8.m4s", lambda body: body[:-1])


@canary("fragments")
def _(recording: Recording) -> None:
    _swap(recording, "2-8.0.m4s", lambda body: body.replace(b"\x02\0\0\0", b"\x01\x01\0\0", 1))


@canary("duration")
def _(recording: Recording) -> None:
    recording.objects["v360", "2-8.m4s"] = [
        b"".join(recording.objects["v360", f"2-8.{i}.m4s"][0] for i in range(5))
    ]


@canary("continuity")
def _(recording: Recording) -> None:
    recording.objects["v360", "2-9.m4s"] = recording.objects["v360", "2-8.m4s"]


@canary("idr")
def _(recording: Recording) -> None:
    _swap(recording, "2-8.m4s", lambda body: body.replace(b"\x65", b"\x41"))


@canary("codecs")
def _(recording: Recording) -> None:
    recording.multivariant = recording.multivariant.replace("avc1.64", "avc1.42")


@canary("codecs")
def _(recording: Recording) -> None:
    recording.multivariant = recording.multivariant.replace("RESOLUTION=640x360", "RESOLUTION=640x352")


@canary("codecs")
def _(recording: Recording) -> None:
    recording.multivariant = recording.multivariant.replace(",FRAME-RATE=30.000", "")


@canary("bandwidth")
def _(recording: Recording) -> None:
    recording.multivariant = re.sub(":BANDWIDTH=[0-9]+", ":BANDWIDTH=100", recording.multivariant)


@canary("variants")
def _(recording: Recording) -> None:
    recording.answers = [answer for answer in recording.answers if answer.rendition != "v180"]


@pytest.mark.parametrize(
    ("rule", "spoil"), CANARIES, ids=[f"{rule}-{i}" for i, (rule, _) in enumerate(CANARIES)]
)
def test_a_canary_is_rejected(rule: str, spoil: Break) -> None:
    recording = deepcopy(_good())
    spoil(recording)
    assert rule in {violation.rule for violation in check(recording)}


def test_every_rule_that_is_listed_has_a_canary() -> None:
    listed = set(
        re.findall(r"^- `([a-z-]+)`", f"{checker.__doc__}\n{media_checks.__doc__}", re.MULTILINE)
    ) | {"alignment"}
    assert listed == {rule for rule, _ in CANARIES}


def test_the_good_recording_is_worth_its_name() -> None:
    assert {answer.rendition for answer in _good().answers} == {"v360", "v180", "audio"}
    assert len(_good().objects) > len(SPEC.ladder) * 14 * SPEC.parts_per_segment
