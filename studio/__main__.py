"""PROCESS studio: shows and their logs. One of it runs; a second one finds the logs taken and says so."""

from __future__ import annotations

from runtime.bus import open_bus
from runtime.clock import SystemClock
from runtime.database import Database
from runtime.settings import Settings
from runtime.supervision.lifeline import Lifeline
from studio import compose
from studio.adapters.logfile import FileShowLogs
from studio.adapters.sql import SqlShowStore
from studio.adapters.sql_lineups import SqlLineupStore
from studio.settings import StudioSettings


async def main(settings: Settings, lifeline: Lifeline) -> None:
    """Run until the lifeline says stop."""
    async with open_bus(settings) as bus, Database.of(settings) as database:
        await compose.run(
            bus,
            SqlShowStore(database),
            FileShowLogs(settings.data / "shows"),
            SqlLineupStore(database),
            settings=settings[StudioSettings],
            clock=SystemClock(),
            ready=lifeline.ready,
            stopping=lifeline.stopping,
        )
