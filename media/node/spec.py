"""Channel settings as they are sent (contract) to the values media computes with (model), and the checks between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from media.contracts.channels import ChannelSettings
from media.contracts.channels import DateRange as DateRangeValue
from media.encode.auto import auto_ladder
from media.model.channel import ChannelSpec, Rung
from media.model.errors import SpecError
from media.model.time import MICROSECONDS, ProgrammeTime
from media.packaging.parts import Grid
from media.packaging.playlist import DateRange

PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium")
"""x264 presets that can be asked for; slower ones cannot hold a tick on any machine we know."""

IDLE_SECONDS = range(5, 86_401)
"""A player asks at least every three segments, and a day is as good as never."""
_ANY = (Rung(64, 100_000),)
"""A ladder that every canvas can have."""


def to_spec(channel: str, settings: ChannelSettings, rungs: Sequence[Rung] = ()) -> ChannelSpec:
    """The specification of a channel. Raises `SpecError` whose field is the path within `settings`.

    `rungs` is what was chosen for settings whose ladder is `auto`; without it those have the whole of theirs.
    """
    try:
        rate = Fraction(settings.rate)
    except (ValueError, ZeroDivisionError) as error:
        raise SpecError(
            f"{settings.rate!r} is no frame rate such as 30 or 30000/1001", field="rate"
        ) from error
    if settings.preset not in PRESETS:
        raise SpecError(f"preset must be one of {', '.join(PRESETS)}", field="preset")
    if settings.idle_seconds not in IDLE_SECONDS:
        raise SpecError("idle_seconds must be within 5 seconds and a day", field="idle_seconds")
    asked = [
        Rung(rung.height, rung.bitrate)
        for rung in sorted(settings.ladder, key=lambda rung: rung.height, reverse=True)
    ]
    spec = ChannelSpec(
        id=channel,
        name=settings.name,
        width=settings.width,
        height=settings.height,
        rate=rate,
        ladder=tuple(asked) or tuple(rungs) or _ANY,
        audio_bitrate=settings.audio_bitrate,
        gop_frames=settings.gop_frames,
        part_frames=settings.part_frames,
        segment_gops=settings.segment_gops,
        dvr_seconds=settings.dvr_seconds,
        preset=settings.preset,
        burn_in=settings.burn_in,
    )
    if not asked and not rungs:
        spec = replace(spec, ladder=auto_ladder(spec.width, spec.height, spec.rate))
    Grid.of(spec, 0)  # parts that no player could be promised are refused here, not by a worker that fails
    return spec


def shown_differs(before: ChannelSettings, after: ChannelSettings) -> bool:
    """Whether viewers see the change. When a channel runs is the node's affair alone: its worker need not start anew."""
    own = {"on_demand": False, "idle_seconds": 0}
    return before.model_copy(update=own) != after.model_copy(update=own)


def to_date_range(value: DateRangeValue) -> DateRange:
    """A date range as packaging writes it. Raises `SpecError` where an attribute cannot be written."""
    try:
        return DateRange(
            id=value.id,
            starts=ProgrammeTime(value.starts),
            duration=None if value.duration is None else round(value.duration * MICROSECONDS),
            class_=value.class_,
            attributes=value.attributes,
        )
    except ValueError as error:
        raise SpecError(str(error), field="range") from error
