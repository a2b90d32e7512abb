"""FLV tag bodies as RTMP carries them → track headers and access units.

Source: Adobe Flash Video File Format 10.1, annex E.4; Enhanced RTMP v2 (veovera.org) for FourCC tags. H.264 and AAC are
taken in both spellings, HEVC by its FourCC; every other codec is refused by name, so that whoever sent it reads what to change.
"""

from __future__ import annotations

from media.ingest.rtmp.times import DecodeTimes, Unwrapper
from media.model.errors import SourceError
from media.model.tracks import Codec, EncodedPacket, MediaKind, TrackHeader

_VIDEO_CODECS = {
    2: "Sorenson H.263",
    3: "Screen video",
    4: "VP6",
    5: "VP6 with alpha",
    6: "Screen video 2",
    12: "HEVC",
}
_AUDIO_CODECS = {0: "PCM", 1: "ADPCM", 2: "MP3", 3: "PCM", 4: "Nellymoser", 5: "Nellymoser", 6: "Nellymoser", 7: "G.711",
                 8: "G.711", 11: "Speex", 13: "Opus", 14: "MP3"}  # fmt: skip
_FOURCC = {b"av01": "AV1", b"vp08": "VP8", b"vp09": "VP9", b"Opus": "Opus", b"ac-3": "AC-3",
           b"ec-3": "E-AC-3", b".mp3": "MP3", b"fLaC": "FLAC"}  # fmt: skip
_H264, _AAC, _EX_AUDIO = 7, 10, 9
_SEEKING = 5
"""Video frame type of command frames, meant for a player's seeking; they carry no picture."""
_START, _CODED, _END, _CODED_X, _METADATA = 0, 1, 2, 3, 4
"""Enhanced RTMP packet types; 0 to 2 mean the same in the classic AVC tag."""
_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)

Unit = TrackHeader | EncodedPacket


class TrackReader:
    """One publisher's audio and video tags. Stamps go in as sent, come out as microseconds on one unwrapped clock."""

    __slots__ = ("_clock", "_headers", "_times", "ignored")

    def __init__(self) -> None:
        self._clock = Unwrapper()
        self._headers: dict[MediaKind, TrackHeader] = {}
        self._times = {kind: DecodeTimes() for kind in MediaKind}
        self.ignored = 0
        """Tags without use: empty ones, and units before their header."""

    @property
    def corrected(self) -> int:
        """Decode times put in order so far."""
        return sum(times.corrected for times in self._times.values())

    def video(self, body: bytes, stamp: int, arrived: int) -> Unit | None:
        """A video message's body; None for what carries nothing. Raises `SourceError` for other codecs."""
        if len(body) < 5 or body[0] >> 4 & 0x07 == _SEEKING:
            self.ignored += 1
            return None
        if body[0] & 0x80:
            return self._enhanced_video(body, stamp, arrived)
        codec, packet_type, key = body[0] & 0x0F, body[1], body[0] >> 4 == 1
        if codec != _H264:
            raise SourceError(_refusal("video", _VIDEO_CODECS.get(codec, f"codec {codec}"), "H.264"))
        if packet_type == _START:
            return self._new_header(_avc_header(body[5:]))
        if packet_type == _CODED:
            return self._unit(MediaKind.VIDEO, body[5:], stamp, _signed24(body, 2), arrived, keyframe=key)
        return None  # end of sequence

    def _enhanced_video(self, body: bytes, stamp: int, arrived: int) -> Unit | None:
        packet_type, key, fourcc = body[0] & 0x0F, body[0] >> 4 & 0x07 == 1, body[1:5]
        if packet_type > _METADATA or fourcc not in {b"avc1", b"hvc1"}:
            name = _FOURCC.get(fourcc, "multitrack or unknown video")
            raise SourceError(_refusal("video", name, "H.264 or HEVC"))
        if packet_type == _START:
            return self._new_header((_avc_header if fourcc == b"avc1" else _hevc_header)(body[5:]))
        if packet_type == _CODED and len(body) >= 8:
            return self._unit(MediaKind.VIDEO, body[8:], stamp, _signed24(body, 5), arrived, keyframe=key)
        if packet_type == _CODED_X:
            return self._unit(MediaKind.VIDEO, body[5:], stamp, 0, arrived, keyframe=key)
        return None

    def audio(self, body: bytes, stamp: int, arrived: int) -> Unit | None:
        """An audio message's body; None for what carries nothing. Raises `SourceError` for other codecs."""
        if len(body) < 2:
            self.ignored += 1
            return None
        codec = body[0] >> 4
        start, at = body[1] == _START, 2
        if codec == _EX_AUDIO:
            packet_type, fourcc = body[0] & 0x0F, body[1:5]
            if packet_type == 4:  # multichannel layout: a hint
                return None
            if fourcc != b"mp4a" or packet_type > _END:
                name = _FOURCC.get(fourcc, "multitrack or unknown audio")
                raise SourceError(_refusal("audio", name, "AAC"))
            if packet_type == _END:
                return None
            start, at = packet_type == _START, 5
        elif codec != _AAC:
            raise SourceError(_refusal("audio", _AUDIO_CODECS.get(codec, f"codec {codec}"), "AAC"))
        if start:
            return self._new_header(aac_header(body[at:]))
        return self._unit(MediaKind.AUDIO, body[at:], stamp, 0, arrived, keyframe=True)

    def _new_header(self, header: TrackHeader | None) -> TrackHeader | None:
        # Some encoders repeat their header with each keyframe: that is no change.
        if header is None or self._headers.get(header.kind) == header:
            return None
        self._headers[header.kind] = header
        return header

    def _unit(
        self, kind: MediaKind, data: bytes, stamp: int, offset: int, arrived: int, *, keyframe: bool
    ) -> EncodedPacket | None:
        if kind not in self._headers or not data:
            self.ignored += 1
            return None
        micros = self._clock.unwrap(stamp) * 1000
        dts = self._times[kind].fix(micros)
        return EncodedPacket(kind, micros + offset * 1000, dts, keyframe, data, arrived)


def _avc_header(record: bytes) -> TrackHeader | None:
    """`AVCDecoderConfigurationRecord` (ISO/IEC 14496-15 §5.3.3.1). An empty one (some encoders at their end) is None."""
    if not record:
        return None
    if len(record) < 7 or record[0] != 1:
        raise SourceError("the H.264 header (avcC) is malformed")
    if record[4] & 3 != 3:
        raise SourceError(f"NAL unit lengths of {(record[4] & 3) + 1} bytes are not supported, only 4")
    return TrackHeader(MediaKind.VIDEO, Codec.H264, record)


def _hevc_header(record: bytes) -> TrackHeader | None:
    """`HEVCDecoderConfigurationRecord` (ISO/IEC 14496-15 §8.3.3.1). An empty one is None."""
    if not record:
        return None
    if len(record) < 23 or record[0] != 1:
        raise SourceError("the HEVC header (hvcC) is malformed")
    if record[21] & 3 != 3:
        raise SourceError(f"NAL unit lengths of {(record[21] & 3) + 1} bytes are not supported, only 4")
    return TrackHeader(MediaKind.VIDEO, Codec.HEVC, record)


def aac_header(config: bytes) -> TrackHeader | None:
    """`AudioSpecificConfig` (ISO/IEC 14496-3 §1.6.2.1) → header with rate and channels as announced."""
    if not config:
        return None
    if len(config) < 2:
        raise SourceError("the AAC header (AudioSpecificConfig) is malformed")
    index = (config[0] & 7) << 1 | config[1] >> 7
    if index == 15:
        if len(config) < 5:
            raise SourceError("the AAC header (AudioSpecificConfig) is malformed")
        bits = int.from_bytes(config[1:5], "big")
        rate, channels = bits >> 7 & 0xFFFFFF, bits >> 3 & 0xF
    elif index < len(_RATES):
        rate, channels = _RATES[index], config[1] >> 3 & 0xF
    else:
        raise SourceError(f"AAC sampling index {index} is reserved")
    return TrackHeader(
        MediaKind.AUDIO, Codec.AAC, config, sample_rate=rate, channels=8 if channels == 7 else channels
    )


def _signed24(body: bytes, at: int) -> int:
    return int.from_bytes(body[at : at + 3], "big", signed=True)


def _refusal(what: str, got: str, wanted: str) -> str:
    return f"{got} {what} is not supported: set the encoder to {wanted}"
