"""GStreamer's RTSP server, which many IP cameras run: the real peer of a feed that is pulled.

It has no program of its own, but Debian has it for its own Python (`gir1.2-gst-rtsp-server-1.0`, `python3-gi`): that
interpreter runs the few lines below as a child, which ends with its standard input.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

PYTHON = "/usr/bin/python3"
USER, PASSWORD = "viewer", "p@ss word"
_START_WITHIN = 20.0
_IMPORTS = """
import gi
for each in ("Gst", "GstRtsp", "GstRtspServer"):
    gi.require_version(each, "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer
Gst.init(None)
"""
_SERVER = f"""{_IMPORTS}
import sys
server, factory = GstRtspServer.RTSPServer(), GstRtspServer.RTSPMediaFactory()
server.set_address("127.0.0.1")
server.set_service("0")
factory.set_launch(sys.argv[1])
factory.set_shared(True)
auth, token, may = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken(), GstRtspServer.RTSPPermissions()
token.set_string("media.factory.role", "viewer")
auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
auth.add_digest(sys.argv[2], sys.argv[3], token)
for each in ("media.factory.access", "media.factory.construct"):
    may.add_permission_for_role("viewer", each, True)
factory.set_permissions(may)
server.set_auth(auth)
server.get_mount_points().add_factory("/stream", factory)
server.attach(None)
print(server.get_bound_port(), flush=True)
loop = GLib.MainLoop()
GLib.io_add_watch(0, GLib.IO_IN | GLib.IO_HUP, lambda *_: loop.quit())
loop.run()
"""
_MEDIA = (
    "( videotestsrc is-live=true pattern={pattern} ! video/x-raw,width=320,height=180,framerate=25/1 "
    "! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 bitrate=400 ! rtph264pay name=pay0 pt=96 "
    "audiotestsrc is-live=true wave=ticks ! audio/x-raw,rate=48000,channels=2 ! avenc_aac ! rtpmp4gpay name=pay1 pt=97 )"
)


def there() -> bool:
    """Whether this machine has it."""
    try:
        command = [PYTHON, "-c", _IMPORTS]
        return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


@asynccontextmanager
async def gst_rtsp(pattern: str = "blue") -> AsyncIterator[str]:
    """A camera of 320×180 at 25 pictures a second with a tick each second; yields its URL. It asks `USER` by Digest.

    `pattern` is one of videotestsrc's. Skips the test where there is no such server.
    """
    if not await asyncio.to_thread(there):
        pytest.skip("no RTSP server of GStreamer (Debian: gir1.2-gst-rtsp-server-1.0, python3-gi)")
    process = await asyncio.create_subprocess_exec(
        *(PYTHON, "-c", _SERVER, _MEDIA.format(pattern=pattern), USER, PASSWORD),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(_START_WITHIN):
            port = int(await process.stdout.readline())
        yield f"rtsp://127.0.0.1:{port}/stream"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
