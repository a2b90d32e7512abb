"""Which encoders there are for a channel's rungs, best first: only those that this product was tried with.

An encoder in hardware is added here once somebody has one: a class with the methods of `media.ports.Encoder`, a probe that opens
it, and the contract suite (tests/contract/test_encoder.py) green on that machine. What admission reckons with is
measured for x264 (`media.adapters.av_cost`) and is to be measured for it, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from av import VideoFrame

from media.adapters.av_encode import VideoEncoder
from media.adapters.av_probe import missing_codecs
from media.model.channel import ChannelSpec, Rung
from media.model.errors import EngineError
from media.ports import Encoder

OpenEncoder = Callable[[ChannelSpec, Rung], Encoder[VideoFrame]]


@dataclass(frozen=True, slots=True)
class EncoderKind:
    """One way to encode."""

    name: str
    """As libav has it."""
    open: OpenEncoder
    """Raises `SpecError` for settings that cannot work and `EngineError` where it does not open."""
    probe: Callable[[], bool]
    """Whether it opens on this machine."""


ENCODERS = (EncoderKind("libx264", VideoEncoder, lambda: not missing_codecs([("libx264", "w")])),)


def usable() -> EncoderKind:
    """The best that opens here. Raises `EngineError` where none does."""
    for kind in ENCODERS:
        if kind.probe():
            return kind
    raise EngineError(f"no H.264 encoder opens here; there are: {', '.join(kind.name for kind in ENCODERS)}")


def open_encoder(spec: ChannelSpec, rung: Rung) -> Encoder[VideoFrame]:
    """An encoder for a rung, with the best kind that opens here. Raises `SpecError` and `EngineError`."""
    return usable().open(spec, rung)
