from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from media.model.feed import FeedKind
from runtime.bus.contract import CommandError, Fault
from web.api import wire, wire_accounts
from web.auth.audit import REFUSALS, Audit, changes_of
from web.auth.ports import AuditFilter, AuditRecord
from web.auth.roles import Role
from web.auth.tokens import Identity
from web.metrics import WebMetrics


class Broken:
    """An `AuditStore` whose disk is full when told so."""

    def __init__(self) -> None:
        self.full = False
        self.kept: list[AuditRecord] = []

    async def append(self, record: AuditRecord) -> int:
        if self.full:
            raise CommandError(Fault.UNAVAILABLE, "the disk is full")
        self.kept.append(record)
        return len(self.kept)

    async def amend(self, record: AuditRecord) -> None:
        if self.full:
            raise CommandError(Fault.UNAVAILABLE, "the disk is full")
        self.kept[record.id - 1] = record

    async def lines(self, wanted: AuditFilter, limit: int) -> list[AuditRecord]:
        return self.kept[:limit]

    async def prune(self, before: int) -> int:
        return 0


ANN = Identity("u1", "Ann", Role.HOST, user="u1")


@pytest.fixture
def world() -> tuple[Audit, Broken, CollectorRegistry]:
    registry, store = CollectorRegistry(), Broken()
    return Audit(store, WebMetrics(registry), lambda: 5, lambda: 0.0), store, registry


async def test_a_change_is_noted_before_and_after(world: tuple[Audit, Broken, CollectorRegistry]) -> None:
    audit, store, _ = world
    trail = audit.trail("POST", "start_show", "s1", "192.0.2.1")
    trail.by(ANN)
    await trail.begin(strict=False)
    assert (store.kept[0].status, store.kept[0].user) == (0, "u1")
    await trail.end(200, "")
    assert (len(store.kept), store.kept[0].status) == (1, 200)


async def test_without_a_line_no_role_changes_but_the_show_goes_on(
    world: tuple[Audit, Broken, CollectorRegistry],
) -> None:
    audit, store, registry = world
    store.full = True
    strict = audit.trail("PATCH", "patch_user", "u2", "")
    strict.by(ANN)
    with pytest.raises(CommandError):
        await strict.begin(strict=True)
    assert not registry.get_sample_value("gachi_audit_lost_total")
    show = audit.trail("PUT", "put_program", "main", "")
    show.by(ANN)
    await show.begin(strict=False)
    await show.end(200, "")
    assert registry.get_sample_value("gachi_audit_lost_total") == 2
    store.full = False
    await show.end(200, "")
    assert store.kept[-1].operation == "put_program", "what could not be begun is written at the end"


async def test_who_is_refused_cannot_fill_the_disk(world: tuple[Audit, Broken, CollectorRegistry]) -> None:
    audit, store, registry = world
    for _ in range(200):
        trail = audit.trail("DELETE", "delete_user", "u2", "")
        trail.by(ANN)
        await trail.end(403, "forbidden")
        nobody = audit.trail("DELETE", "delete_user", "u2", "")
        await nobody.end(401, "unauthenticated")
    assert len(store.kept) == REFUSALS.burst
    assert registry.get_sample_value("gachi_audit_skipped_total") == 400 - REFUSALS.burst


def test_no_secret_is_told() -> None:
    made = wire_accounts.UserCreate(login="ann", role=Role.HOST, password="a long password")
    assert changes_of(made) == {"login": "ann", "role": "host", "password": "…"}
    feed = wire.FeedCreate(
        kind=FeedKind.RTMP,
        name="Camera",
        options={"url": "rtsp://admin:secret@10.0.0.9/", "transport": "tcp"},
    )
    told = changes_of(feed)
    assert told["name"] == "Camera"
    assert "secret" not in repr(told)
    token = changes_of(wire_accounts.SessionCreate(token="gl_x"))
    assert token == {"token": "…"}
    settings = wire.ChannelCreate(id="main", settings=wire.ChannelSettings(width=640, rate="30"))
    assert changes_of(settings) == {"id": "main", "settings.rate": "30", "settings.width": 640}
    assert changes_of(None) == {}
