"""What a channel costs in cores, by what single pictures were measured to cost on this machine. Pure arithmetic.

A rung costs its encoding, ``fixed + per_pixel * pixels`` for each picture with a line for each preset, and its scaling where it
is smaller than the canvas. A channel costs its rungs, decoding what is on program and its backup, and the work of a tick (mixing,
sound, packaging, answering its readers).

Assumed: two feeds of the canvas's size. Content moves the cost of encoding by a quarter both ways (measured over clips with
each preset: 0.8 to 1.25 of the picture that is measured), so the stated margin is `MARGIN`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from media.model.channel import ChannelSpec, Rung

FEEDS = 2
"""Decoded at once: the one on program and its backup."""
MARGIN = 0.35
"""By how much of the estimate a channel's true cost may differ, by its content. Held by a test."""


@dataclass(frozen=True, slots=True)
class PresetCost:
    """Encoding one picture with a preset, in seconds of processor time: a line through two measured sizes."""

    fixed: float
    per_pixel: float

    @classmethod
    def through(cls, small: tuple[int, float], large: tuple[int, float]) -> PresetCost:
        """The line through two measurements (pixels, seconds). Its fixed part is never below 0, where noise put it."""
        (few, quick), (many, slow) = small, large
        per_pixel = max(0.0, (slow - quick) / (many - few))
        fixed = quick - per_pixel * few
        return cls(fixed, per_pixel) if fixed >= 0 else cls(0.0, slow / many)

    def seconds(self, pixels: int) -> float:
        """For a picture of so many pixels."""
        return self.fixed + self.per_pixel * pixels


@dataclass(frozen=True, slots=True)
class Speed:
    """What pictures cost on a machine. Seconds of processor time; for each pixel where it says so."""

    presets: Mapping[str, PresetCost]
    scale: float
    """For each pixel read and each written."""
    decode: float
    """For each pixel."""


TICK = 1.6e-3
"""Seconds for each tick whatever the canvas: the tick itself, sound, packaging, the recorder, answers to readers."""
MIX = 1.2e-9
"""Seconds for each pixel of the canvas: choosing and copying planes, burning in."""
DECODE_REFERENCE = 1.9e-9
"""Decoding a pixel on the machine on which `TICK` and `MIX` were found: another machine's speed is told by its own."""

REFERENCE = Speed(
    presets={
        "ultrafast": PresetCost(0.0, 4.8e-9),
        "superfast": PresetCost(0.0, 8.0e-9),
        "veryfast": PresetCost(0.0, 1.07e-8),
        "faster": PresetCost(0.0, 1.8e-8),
        "fast": PresetCost(0.0, 2.5e-8),
        "medium": PresetCost(0.0, 2.9e-8),
    },
    scale=7.5e-10,
    decode=DECODE_REFERENCE,
)
"""The machine on which this was made (one core of an AMD EPYC): what counts until a measurement is there."""


def rung_cores(spec: ChannelSpec, rung: Rung, speed: Speed) -> float:
    """Cores that one rung takes: encoding, and scaling where it has another size than the canvas."""
    width, height = spec.size_of(rung)
    pixels, canvas = width * height, spec.width * spec.height
    seconds = speed.presets[spec.preset].seconds(pixels)
    if pixels != canvas:
        seconds += speed.scale * (canvas + pixels)
    return seconds * float(spec.rate)


def base_cores(spec: ChannelSpec, speed: Speed) -> float:
    """Cores that a channel takes before its first rung: decoding, mixing, sound, packaging."""
    canvas = spec.width * spec.height
    own = (TICK + MIX * canvas) * speed.decode / DECODE_REFERENCE
    return (FEEDS * speed.decode * canvas + own) * float(spec.rate)


def channel_cores(spec: ChannelSpec, speed: Speed) -> float:
    """Cores that a channel takes on air, to a hundredth."""
    rungs = sum(rung_cores(spec, rung, speed) for rung in spec.ladder)
    return round(base_cores(spec, speed) + rungs, 2)
