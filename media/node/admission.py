"""Which channels this machine takes on: what each is estimated to need against what is left, with the arithmetic in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from media.contracts.channels import CapacityUse, CapacityView, ChannelSettings, RungValue
from media.encode.auto import fitting
from media.encode.cost import Speed, channel_cores
from media.model.channel import ChannelSpec, Rung
from media.model.errors import CapacityError
from media.node.machine import Machine
from media.node.spec import to_spec
from runtime import logs

log = logs.get("media.node.admission")


@dataclass(frozen=True, slots=True)
class Load:
    """A channel that runs: what of its settings decides its cost."""

    spec: ChannelSpec
    auto: bool
    """Its ladder was chosen here."""
    why: str
    """How, in words; empty for a ladder of the settings."""

    @property
    def config(self) -> dict[str, object]:
        """What its worker is told beside what it reads in the store."""
        rungs = [[rung.height, rung.bitrate] for rung in self.spec.ladder]
        return {"channel": self.spec.id, **({"ladder": rungs} if self.auto else {})}


class Admission:
    """The channels that run, and whether another one may. Costs are computed anew from what the machine was measured at."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._loads: dict[str, Load] = {}

    def get(self, channel: str) -> Load | None:
        """A channel that was admitted and not released."""
        return self._loads.get(channel)

    def needs(self, channel: str) -> float:
        """Cores that a running channel is estimated to take; 0 of others."""
        load = self._loads.get(channel)
        return 0.0 if load is None else channel_cores(load.spec, self.machine.speed)

    async def admit(self, channel: str, settings: ChannelSettings, *, force: bool = False) -> Load:
        """Make room for a channel that shall run, or run with other settings; `force` also where there is none.

        Raises `CapacityError` with the arithmetic. A channel that needs no more than it has now is never refused.
        """
        speed = await self.machine.speed_for(settings.preset)
        # From here on nothing waits: two channels that come at once must not take the same room.
        load = self._choose(channel, settings, speed)
        needs, left = channel_cores(load.spec, speed), self._left(channel)
        if needs > left and needs > self.needs(channel):
            if not force:
                raise CapacityError(self._refusal(channel, load.spec, speed))
            log.warning("more is on air than the machine carries", channel=channel, needs=needs, left=left)
        self._loads[channel] = load
        return load

    def restore(self, channel: str, load: Load | None) -> None:
        """Undo an admission: back to what it had before."""
        if load is None:
            self._loads.pop(channel, None)
        else:
            self._loads[channel] = load

    def release(self, channel: str) -> None:
        """A channel that runs no longer."""
        self._loads.pop(channel, None)

    async def view(self, channel: str | None, settings: ChannelSettings | None) -> CapacityView:
        """What is used and left, and what a channel with these settings would take."""
        view = CapacityView(
            cpu=self.machine.cpu,
            cores=self.machine.cores,
            limit=self.machine.limit,
            used=[CapacityUse(channel=name, cores=self.needs(name)) for name in sorted(self._loads)],
            left=self._left(None),
            measured=sorted(self.machine.measured),
        )
        if channel is None or settings is None:
            return view
        speed = await self.machine.speed_for(settings.preset)
        spec = self._choose(channel, settings, speed).spec
        fits = self._fitting(channel, spec, speed)
        return view.model_copy(
            update={
                "left": self._left(channel),
                "needs": channel_cores(spec, speed),
                "fits": rung_values(fits),
                "fits_needs": channel_cores(replace(spec, ladder=fits), speed) if fits else 0.0,
            }
        )

    # --- inside ------------------------------------------------------------------------------------------------------

    def _left(self, channel: str | None) -> float:
        """Cores that are left beside all other channels than this one."""
        used = sum(self.needs(name) for name in self._loads if name != channel)
        return round(self.machine.limit - used, 2)

    def _fitting(self, channel: str, spec: ChannelSpec, speed: Speed) -> tuple[Rung, ...]:
        def cores_of(ladder: Sequence[Rung]) -> float:
            return channel_cores(replace(spec, ladder=tuple(ladder)), speed)

        return fitting(spec.ladder, cores_of, self._left(channel))

    def _choose(self, channel: str, settings: ChannelSettings, speed: Speed) -> Load:
        """The channel with its ladder: of `auto` the part that fits, or the smallest where none does."""
        whole = to_spec(channel, settings)
        if settings.ladder:
            return Load(whole, auto=False, why="")
        canvas = f"{whole.width}x{whole.height}"
        part = self._fitting(channel, whole, speed)
        if part == whole.ladder:
            return Load(whole, auto=True, why=f"auto: the whole ladder for {canvas}")
        spec = replace(whole, ladder=part or whole.ladder[-1:])
        left_out = [rung for rung in whole.ladder if rung not in spec.ladder]
        why = (
            f"auto: of the ladder for {canvas}, {_names(left_out)} is left out, "
            f"because the whole takes {channel_cores(whole, speed):.2f} cores and {self._left(channel):.2f} are left"
        )
        return Load(spec, auto=True, why=why)

    def _refusal(self, channel: str, spec: ChannelSpec, speed: Speed) -> str:
        machine, fits = self.machine, self._fitting(channel, spec, speed)
        others = [f"{name} takes {self.needs(name):.2f}" for name in sorted(self._loads) if name != channel]
        sentence = (
            f"channels may take {machine.limit:.2f} of this machine's {machine.cores:g} cores; "
            f"{', '.join(others) or 'none runs'}; {channel} needs {channel_cores(spec, speed):.2f}, "
            f"and {max(0.0, self._left(channel)):.2f} is left; "
        )
        if not fits:
            return f"{sentence}no part of its ladder would fit"
        return (
            f"{sentence}{_names(fits)} would fit with {channel_cores(replace(spec, ladder=fits), speed):.2f}"
        )


def rung_values(ladder: Sequence[Rung]) -> list[RungValue]:
    """A ladder as the contract has it."""
    return [RungValue(height=rung.height, bitrate=rung.bitrate) for rung in ladder]


def _names(ladder: Sequence[Rung]) -> str:
    return " + ".join(f"{rung.height}p" for rung in ladder)
