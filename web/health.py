"""``/healthz``, ``/readyz``, ``/metrics``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from web.api.dispatch import Dispatcher
from web.auth.roles import Role
from web.playback.board import Board
from web.problems import catalogue
from web.problems.answer import ProblemError

GatherMetrics = Callable[[], Awaitable[bytes]]
"""All processes' figures in Prometheus's text format 0.0.4."""


class Health:
    """The handlers."""

    def __init__(self, board: Board, dispatcher: Dispatcher, gather: GatherMetrics) -> None:
        self._board = board
        self._dispatcher = dispatcher
        self._gather = gather

    def add_to(self, app: web.Application) -> None:
        """Register the paths."""
        app.router.add_get("/healthz", self.healthz)
        app.router.add_get("/readyz", self.readyz)
        app.router.add_get("/metrics", self.metrics)

    async def healthz(self, _: web.Request) -> web.StreamResponse:
        """The process answers."""
        return web.json_response({"status": "ok"}, headers={"Cache-Control": "no-store"})

    async def readyz(self, _: web.Request) -> web.StreamResponse:
        """200 once every rung of every channel that shall be on air lists a segment, and whoever runs the channels answers:
        what was true of them before is no word on whether they are there. Those on demand come and go with their viewers,
        who must not take the server out of a balancer's rotation.
        """
        steady = [view for view in self._board.all() if view.wanted and not view.settings.on_demand]
        waiting = [view.id for view in steady if not view.ready]
        ready = self._board.fresh and not waiting
        body = {"status": "ready" if ready else "starting", "waiting": sorted(waiting)}
        return web.json_response(body, status=200 if ready else 503, headers={"Cache-Control": "no-store"})

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        """All processes' figures, for staff and for who asks on this machine itself."""
        try:
            caller = await self._dispatcher.identify(request)
        except ProblemError as problem:
            return problem.response(request)
        staff = caller is not None and caller.role.covers(Role.STAFF)
        if not staff and not self._dispatcher.client(request).local:
            if caller is None:
                return ProblemError(
                    catalogue.UNAUTHENTICATED, headers={"WWW-Authenticate": 'Bearer realm="gachi"'}
                ).response(request)
            return ProblemError(catalogue.FORBIDDEN, role=Role.STAFF.value).response(request)
        return web.Response(
            body=await self._gather(),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8", "Cache-Control": "no-store"},
        )
