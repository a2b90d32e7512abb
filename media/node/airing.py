"""What a channel's worker last said of itself."""

from __future__ import annotations

import dataclasses
import time

from media.model.channel import ChannelState
from media.model.time import ProgrammeTime


@dataclasses.dataclass(frozen=True, slots=True)
class OnAir:
    """What the worker of a channel last said of itself. Replaced whole, never edited."""

    epoch: int = 0
    anchor: int = 0
    origin: str = ""
    state: ChannelState = ChannelState.OFFLINE
    picture: str = ""
    reason: str = ""
    ready: bool = False
    speed: float = 0.0
    time: int = 0
    """Programme time at `monotonic`."""
    monotonic: int = 0
    """CLOCK_MONOTONIC in nanoseconds: one clock for all processes of a machine."""


OFF_AIR = OnAir()


def now_of(airing: OnAir) -> ProgrammeTime:
    """The programme time of this instant, by a worker's last report."""
    return ProgrammeTime(airing.time + (time.monotonic_ns() - airing.monotonic) // 1000)


def on_air(data: dict[str, object]) -> OnAir:
    """A worker's report as a value; unknown keys are passed over, missing ones keep their defaults."""
    known = {field.name for field in dataclasses.fields(OnAir)}
    values = {key: value for key, value in data.items() if key in known}
    if "state" in values:
        values["state"] = ChannelState(str(values["state"]))
    return OnAir(**values)  # type: ignore[arg-type]  # the worker's report is our own JSON, keyed by these fields
