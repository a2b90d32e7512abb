"""OBS Studio as a publisher: on a screen of its own, with settings and one scene of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

_GLOBAL = """[General]
FirstRun=true
EnableAutoUpdates=false
[Basic]
Profile=Test
ProfileDir=Test
SceneCollection=Test
SceneCollectionFile=Test
[OBSWebSocket]
FirstLoad=false
ServerEnabled=false
[BasicWindow]
SysTrayEnabled=false
"""
_PROFILE = """[General]
Name=Test
[Video]
BaseCX={width}
BaseCY={height}
OutputCX={width}
OutputCY={height}
FPSType=0
FPSCommon={rate}
[Audio]
SampleRate=48000
[Output]
Mode=Simple
[SimpleOutput]
VBitrate=600
ABitrate=128
StreamEncoder=x264
Preset=veryfast
"""
_BLUE = 0xFFFF2020  # ABGR


def _scene() -> dict[str, object]:
    ground = {
        "id": "color_source",
        "versioned_id": "color_source_v3",
        "name": "Ground",
        "settings": {"color": _BLUE, "width": 640, "height": 360},
    }
    item = {"name": "Ground", "id": 1, "visible": True, "align": 5, "scale": {"x": 1.0, "y": 1.0}}
    scene = {"id": "scene", "name": "Scene", "settings": {"items": [item], "id_counter": 1}}
    return {
        "name": "Test",
        "current_scene": "Scene",
        "current_program_scene": "Scene",
        "scene_order": [{"name": "Scene"}],
        "sources": [ground, scene],
    }


def need_obs() -> None:
    """Skip the test where OBS or its screen is missing."""
    for program in ("obs", "xvfb-run", "Xvfb"):
        if shutil.which(program) is None:
            pytest.skip(f"OBS is not tested: there is no {program} (Debian: obs-studio, xvfb, xauth)")


@asynccontextmanager
async def obs(
    folder: Path, server: str, key: str, *, width: int = 640, height: int = 360, rate: int = 30
) -> AsyncIterator[asyncio.subprocess.Process]:
    """OBS on a screen of its own, with settings of its own, streaming at once. `rate` is one of 10, 20, 30."""
    home = folder / "obs-studio"
    files = {
        "global.ini": _GLOBAL,
        "basic/profiles/Test/basic.ini": _PROFILE.format(width=width, height=height, rate=rate),
        "basic/profiles/Test/service.json": json.dumps(
            {"type": "rtmp_custom", "settings": {"server": server, "key": key, "use_auth": False}}
        ),
        "basic/scenes/Test.json": json.dumps(_scene()),
    }
    for name, text in files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text, encoding="utf-8")
    environment = {
        **os.environ,
        "XDG_CONFIG_HOME": str(folder),
        "XDG_RUNTIME_DIR": str(folder),
        "LIBGL_ALWAYS_SOFTWARE": "1",
        "QT_QPA_PLATFORM": "xcb",
    }
    screen = ["xvfb-run", "-a", "-s", "-screen 0 800x600x24"]
    command = [*screen, "obs", "--startstreaming", "--minimize-to-tray", "--disable-updater", "--multi"]
    with (folder / "obs.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # xvfb-run starts two more: they are ended as one group
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        await process.wait()
