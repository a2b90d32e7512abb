"""Objects that are too large for RAM, from the store to one client piece by piece."""

from __future__ import annotations

import asyncio

from aiohttp import web

from media.model.errors import MediaError, NotFoundError
from media.packaging.byterange import UnsatisfiableError, parse_range
from media.ports import SegmentStore
from runtime import logs
from web.problems import catalogue
from web.problems.answer import ProblemError

log = logs.get("web.files")

PIECE = 512 * 1024
"""Bytes read from the store at once: the most one download holds in RAM."""


async def serve_stored(
    request: web.Request,
    store: SegmentStore,
    key: str,
    size: int,
    *,
    content_type: str,
    filename: str,
    timeout: float,
    growing: bool = False,
) -> web.StreamResponse:
    """Answer with an object of the store or one range of it; of one that is `growing`, with what `size` bytes of it are. A client that takes longer than `timeout` seconds for
    one piece is dropped.
    """
    wanted = request.headers.get("Range") if "If-Range" not in request.headers else None
    try:
        span = parse_range(wanted, size) if wanted is not None else None
    except UnsatisfiableError as error:
        raise ProblemError(catalogue.RANGE, headers={"Content-Range": f"bytes */{size}"}) from error
    start, end = span or (0, size)
    headers = {
        "Accept-Ranges": "bytes",
        "Cache-Control": "no-store" if growing else "private, max-age=3600",
        "Content-Disposition": f'attachment; filename="{filename}"',
        "X-Content-Type-Options": "nosniff",
    }
    if span:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    try:
        # Read before the head is sent: an object that is gone is still a 404.
        piece = await store.get_range(key, start, min(start + PIECE, end)) if end > start else b""
    except NotFoundError as error:
        raise ProblemError(catalogue.NOT_FOUND) from error
    except MediaError as error:
        raise ProblemError(catalogue.UNAVAILABLE) from error
    response = web.StreamResponse(status=206 if span else 200, headers=headers)
    response.content_type = content_type
    response.content_length = end - start
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    at = start
    while piece:
        try:
            async with asyncio.timeout(timeout):
                await response.write(piece)
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
            raise
        at += len(piece)
        try:
            piece = await store.get_range(key, at, min(at + PIECE, end)) if at < end else b""
        except MediaError as error:
            # The head is sent: any other answer would be read as part of the file. A torn connection is what it is.
            log.warning("a download broke off: its object cannot be read", key=key, error=str(error))
            if request.transport is not None:
                request.transport.abort()
            return response
    await response.write_eof()
    return response
