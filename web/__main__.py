"""PROCESS web: all that a browser talks to. Several may run; each keeps its own cache."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from prometheus_client import REGISTRY, generate_latest

from media.adapters.obstore_store import ObstoreSegmentStore
from media.adapters.sql.tape import SqlTapeIndex
from media.model.errors import ConflictError
from runtime import logs
from runtime.bus import open_bus
from runtime.bus.contract import CommandError, Fault
from runtime.bus.port import Bus, BusUnavailableError
from runtime.database import Database
from runtime.listening import trouble
from runtime.settings import Settings
from runtime.supervision.lifeline import Lifeline
from runtime.telemetry import Gatherer, serve_metrics
from web.adapters.replay import TapeReplayReader
from web.adapters.sql import stores
from web.adapters.stills import stand_in, still_of
from web.auth.accounts import Accounts, login_of
from web.auth.roles import Role
from web.compose import Ports, Web, listening
from web.health import GatherMetrics
from web.https import Https, addresses
from web.realtime.settings import RealtimeSettings
from web.settings import AuthSettings, HttpSettings, PlaybackSettings, UserSeed

log = logs.get("web")


def gathering(bus: Bus) -> GatherMetrics:
    """All processes' figures; this one's alone while the bus is away."""
    gatherer = Gatherer(bus)

    async def gather() -> bytes:
        try:
            return await gatherer.gather()
        except BusUnavailableError as error:
            log.warning("only this process's figures can be told", error=str(error))
            return generate_latest(REGISTRY)

    return gather


async def seed(accounts: Accounts, auth: AuthSettings) -> list[UserSeed]:
    """Make the users of the settings that there are not yet; gives those that log in as the settings say."""
    true = []
    for each in auth.seed:
        login, password = login_of(each.login), each.password.get_secret_value()
        user = await accounts.store.by_login(login)
        if user is None:
            try:
                user = await accounts.create(login, password, each.role, each.name)
            except CommandError as error:
                if error.fault is not Fault.CONFLICT:  # another web process was faster
                    raise
                continue
        if auth.show_logins and not user.disabled and await accounts.is_password(user, password):
            true.append(each)
    return true


async def nobody(accounts: Accounts, auth: AuthSettings) -> bool:
    """Whether nobody can administer this yet."""
    if auth.admin_token.get_secret_value():
        return False
    return not any(user.role is Role.ADMIN and not user.disabled for user in await accounts.store.users())


def banner(
    http: HttpSettings, auth: AuthSettings, port: int, logins: Sequence[UserSeed], https_port: int = 0
) -> list[str]:
    """Where to look, for whoever started the product."""
    host = "localhost" if http.host in {"0.0.0.0", "::", "127.0.0.1"} else http.host  # noqa: S104 - a comparison
    base = http.public_url.rstrip("/") or f"http://{host}:{port}"
    lines = [f"watch                 {base}/", f"API                   {base}/api/docs"]
    lines += [f"go live by phone      {each}/publish/FEED" for each in addresses(http, https_port)]
    lines += [
        f"log in                {base}/login  {each.login} / {each.password.get_secret_value()}"
        for each in logins
    ]
    token = auth.admin_token.get_secret_value()
    if auth.show_admin_token and token:
        lines.append(f"administrator's token {token}")
    return lines


async def main(settings: Settings, lifeline: Lifeline) -> None:
    """Run until the lifeline says stop."""
    http = settings[HttpSettings]
    https = Https.of(settings)
    async with open_bus(settings) as bus, Database.of(settings) as database:
        ports = Ports(
            bus=bus,
            stores=stores(database),
            store=ObstoreSegmentStore.local(settings.data / "tape"),
            replays=TapeReplayReader(SqlTapeIndex(database.engine)),
            poster=still_of,
            stand_in=stand_in,
            registry=REGISTRY,
            gather=gathering(bus),
            http=http,
            auth=settings[AuthSettings],
            playback=settings[PlaybackSettings],
            realtime=settings[RealtimeSettings],
        )
        site = Web(ports)
        auth = ports.auth
        logins = await seed(site.accounts, auth)
        wanted = [("http.port", http.port), *([("http.https_port", http.https_port)] if https else [])]
        for setting, number in wanted:
            if why := trouble(http.host, number):
                # Whoever has it may let it go: the supervisor tries again before it gives up.
                raise ConflictError(f"{setting}: {number} {why}", field=setting)
        async with (
            serve_metrics(bus, http.process or lifeline.name or "web"),
            listening(site, http, https) as port,
        ):
            log.info("listening", host=http.host, port=port, https_port=site.pages.https_port)
            lines = banner(http, auth, port, logins, site.pages.https_port)
            if await nobody(site.accounts, auth):
                lines.append("nobody can log in yet  gachi user add NAME --role admin")
            lifeline.ready(host=http.host, port=port, banner=lines)
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(site.run(), name="web.run")]
                if https is not None:
                    running.append(tasks.create_task(https.run(), name="web.https"))
                await lifeline.stopping()
                for each in running:
                    each.cancel()
