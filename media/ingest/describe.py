"""The picture's size out of a track's extradata, so that staff see what a camera sends before anybody decodes it."""

from __future__ import annotations

from dataclasses import replace

from media.model.tracks import Codec, TrackHeader
from media.packaging.codecs import avcc_sps, parse_sps


def with_size(header: TrackHeader) -> TrackHeader:
    """The header with width and height from its avcC; unchanged where there is none or it cannot be read."""
    if header.codec is not Codec.H264 or header.width:
        return header
    try:
        sps = parse_sps(avcc_sps(header.extradata))
    except ValueError:
        return header  # its decoder will tell what is wrong; a size of 0 says that we do not know
    return replace(header, width=sps.width, height=sps.height)
