from __future__ import annotations

import numpy as np

from media.adapters.av_decode import AudioDecoder
from media.adapters.av_encode import AudioEncoder
from media.model.channel import ChannelSpec, Rung
from media.model.tracks import Codec, EncodedPacket, MediaKind, TrackHeader

SPEC = ChannelSpec("main", width=640, height=360, ladder=(Rung(360, 500_000), Rung(180, 100_000)))


def test_click_stays_within_a_millisecond() -> None:
    encoder = AudioEncoder(SPEC)
    assert encoder.asc[:2] == b"\x11\x90", "AAC-LC, 48 kHz, stereo"
    assert b"edts" not in encoder.init_segment
    clicks = [5_000, 24_111, 48_000, 90_017]
    sound = np.zeros((96_000, 2), np.float32)
    for at in clicks:
        sound[at : at + 48] = 0.8
    units: list[bytes] = []
    for at in range(0, len(sound), 1600):
        units += encoder.encode(sound[at : at + 1600])
    units += encoder.flush()
    assert encoder.count == len(units) >= 94
    decoder = AudioDecoder(
        TrackHeader(MediaKind.AUDIO, Codec.AAC, encoder.asc, sample_rate=48_000, channels=2)
    )
    heard = np.zeros((100_000, 2), np.float32)
    for k, data in enumerate(units):
        micros = k * 1024 * 1_000_000 // 48_000
        for piece in decoder.decode(EncodedPacket(MediaKind.AUDIO, micros, micros, keyframe=True, data=data)):
            heard[k * 1024 : k * 1024 + len(piece.samples)] = piece.samples
    for at in clicks:
        near = np.abs(heard[at - 480 : at + 480, 0])
        assert abs(int(near.argmax()) - 480 - 24) <= 48
    encoder.close()


def test_any_block_size_gives_the_same_units() -> None:
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, (9_600, 2)).astype(np.float32)
    whole, pieces = AudioEncoder(SPEC), AudioEncoder(SPEC)
    first = whole.encode(sound) + whole.flush()
    rest = [unit for at in range(0, 9_600, 1601) for unit in pieces.encode(sound[at : at + 1601])]
    assert rest + pieces.flush() == first
