"""The owner of recordings of feeds, in memory and really working; without any media."""

from __future__ import annotations

import time
from typing import Any

from media.contracts import isos as ic
from runtime.bus.calls import Handler, publish
from runtime.bus.contract import Command, CommandError, Done, Fault
from runtime.bus.port import Bus


class IsoOwner:
    """Has the state and answers for it."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.isos: dict[str, ic.IsoView] = {}

    def handlers(self) -> dict[type[Command[Any]], Handler]:
        return {
            ic.StartIso: self.start,
            ic.StopIso: self.stop,
            ic.ListIsos: self.list,
            ic.GetIso: self.get,
            ic.DeleteIso: self.delete,
        }

    def iso(self, name: str) -> ic.IsoView:
        if name not in self.isos:
            raise CommandError(Fault.NOT_FOUND, f"there is no recording {name} of a feed")
        return self.isos[name]

    async def put(self, view: ic.IsoView) -> ic.IsoView:
        self.isos[view.id] = view
        await publish(self.bus, ic.IsoChanged(iso=view.model_copy(update={"parts": [], "gaps": []})))
        return view

    async def start(self, command: ic.StartIso) -> ic.IsoView:
        for view in self.isos.values():
            if view.feed == command.feed and not view.ended:
                return view
        name = f"i{len(self.isos) + 1}"
        waiting = ic.IsoView(
            id=name, feed=command.feed, started=time.time_ns() // 1000, state=ic.IsoState.WAITING
        )
        return await self.put(waiting)

    async def stop(self, command: ic.StopIso) -> ic.IsoView:
        view = self.iso(command.iso)
        if view.ended:
            return view
        return await self.put(
            view.model_copy(update={"ended": time.time_ns() // 1000, "state": ic.IsoState.ENDED})
        )

    async def list(self, command: ic.ListIsos) -> ic.IsoList:
        found = [view for view in self.isos.values() if command.feed in {None, view.feed}]
        return ic.IsoList(isos=sorted(found, key=lambda view: -view.started))

    async def get(self, command: ic.GetIso) -> ic.IsoView:
        return self.iso(command.iso)

    async def delete(self, command: ic.DeleteIso) -> Done:
        if not self.iso(command.iso).ended:
            raise CommandError(Fault.CONFLICT, "the recording runs")
        del self.isos[command.iso]
        await publish(self.bus, ic.IsoDeleted(iso=command.iso))
        return Done()
