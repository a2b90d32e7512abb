from __future__ import annotations

import base64

import numpy as np
import pytest

from media.adapters.av_decode import AudioDecoder, VideoDecoder
from media.ingest.whip.units import OPUS_HEADER, H264Units, Vp8Units
from media.model.tracks import EncodedPacket, MediaKind
from tests.support.whip_sender import encoded, opus

START = b"\0\0\0\1"


def test_h264_becomes_what_our_decoder_takes() -> None:
    units = H264Units()
    clip = encoded("h264", 12)
    decoder = None
    shown = 0
    for number, data in enumerate(clip):
        assert units.is_key(data) == (number == 0)
        unit = units.read(data)
        assert units.header is not None
        assert (units.header.width, units.header.height) == (320, 180)
        decoder = decoder or VideoDecoder(units.header)
        shown += len(
            decoder.decode(
                EncodedPacket(MediaKind.VIDEO, number * 33_333, number * 33_333, number == 0, unit)
            )
        )
    assert decoder is not None
    assert shown + len(decoder.flush()) == 12
    assert decoder.errors == 0


def test_parameter_sets_go_into_the_header_and_no_further() -> None:
    units = H264Units()
    first = encoded("h264", 1)[0]
    unit = units.read(first)
    sizes, at = [], 0
    while at < len(unit):
        size = int.from_bytes(unit[at : at + 4], "big")
        sizes.append(unit[at + 4] & 0x1F)
        at += 4 + size
    assert 7 not in sizes
    assert 8 not in sizes
    assert 5 in sizes


def test_a_change_of_size_is_another_header() -> None:
    units = H264Units()
    units.read(encoded("h264", 1)[0])
    former = units.header
    units.read(encoded("h264", 1)[0])
    assert units.header is former
    units.read(encoded("h264", 1, size=(640, 360))[0])
    assert units.header is not None
    assert units.header is not former
    assert (units.header.width, units.header.height) == (640, 360)


def test_parameter_sets_may_come_in_the_offer() -> None:
    key = encoded("h264", 1)[0]
    sets = [nal for nal in key.split(START) if nal and nal[0] & 0x1F in {7, 8}]
    rest = START + START.join(nal for nal in key.split(START) if nal and nal[0] & 0x1F not in {7, 8})
    assert H264Units().read(rest) == b""
    units = H264Units(",".join(base64.b64encode(each).decode() for each in sets))
    assert units.read(rest)
    assert units.header is not None


@pytest.mark.parametrize("sprop", ["", "!!", "====", ",,,", base64.b64encode(b"g").decode()])
def test_nonsense_in_the_offer_does_no_harm(sprop: str) -> None:
    assert H264Units(sprop).read(START + b"\x41abc") == b""


def test_vp8_tells_its_size() -> None:
    units = Vp8Units()
    clip = encoded("vp8", 3)
    assert [units.is_key(data) for data in clip] == [True, False, False]
    assert units.read(clip[1]) == b""  # nothing is known of it yet
    assert units.read(clip[0]) == clip[0]
    assert units.header is not None
    assert (units.header.width, units.header.height) == (320, 180)
    decoder = VideoDecoder(units.header)
    for number, data in enumerate(clip):
        decoder.decode(EncodedPacket(MediaKind.VIDEO, number, number, number == 0, data))
    assert decoder.errors == 0


def test_opus_is_decoded_with_the_header_that_is_told() -> None:
    decoder = AudioDecoder(OPUS_HEADER)
    sounds = [
        sound
        for number, data in enumerate(opus(20))
        for sound in decoder.decode(
            EncodedPacket(MediaKind.AUDIO, number * 20_000, number * 20_000, True, data)
        )
    ]
    assert decoder.errors == 0
    assert sum(len(sound.samples) for sound in sounds) >= 19 * 960
    assert float(np.abs(np.concatenate([sound.samples for sound in sounds])).max()) > 0.05
