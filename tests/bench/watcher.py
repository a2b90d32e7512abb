"""A viewer that follows one rendition by blocking reloads and keeps each part with the instant at which it had it."""

from __future__ import annotations

import asyncio
import io
import time
from dataclasses import dataclass, field

import aiohttp
import av

from media.adapters.av_planes import planes_of
from media.mix import timecode
from media.packaging.playlist_parser import parse_media


@dataclass(frozen=True, slots=True)
class Seen:
    """One part."""

    name: str
    at: float
    """CLOCK_MONOTONIC second at which all its bytes were there."""
    wall: float
    """The same instant in Unix seconds."""
    data: bytes
    starts: float
    """Programme time in Unix seconds; 0 where the playlist did not say."""
    duration: float

    @property
    def epoch(self) -> int:
        """The worker's epoch."""
        return int(self.name.partition("-")[0])


@dataclass
class Watcher:
    """Follows `{base}/{rendition}/index.m3u8` until cancelled."""

    client: aiohttp.ClientSession
    base: str
    rendition: str
    parts: list[Seen] = field(default_factory=list)
    inits: dict[int, bytes] = field(default_factory=dict)
    """Init segments by epoch."""
    failures: int = 0

    async def run(self) -> None:
        """Follow; failures are counted and tried again at once, as a player does."""
        wanted: dict[str, str] = {}
        known: set[str] = set()
        while True:
            try:
                wanted = await self._look(wanted, known)
            except (aiohttp.ClientError, TimeoutError, ValueError):
                self.failures += 1
                wanted = {}
                await asyncio.sleep(0.1)

    async def _look(self, wanted: dict[str, str], known: set[str]) -> dict[str, str]:
        text = (await self._get("index.m3u8", wanted)).decode()
        playlist = parse_media(text)
        fresh: list[tuple[str, float, float]] = []
        for segment in [*playlist.segments, *([playlist.open] if playlist.open else [])]:
            at = segment.programme_time / 1e6 if segment.programme_time else 0.0
            for part in segment.parts:
                if part.uri not in known:
                    fresh.append((part.uri, at, part.duration / 1e6))
                at += part.duration / 1e6
        first = not known
        known |= {name for name, _, _ in fresh}
        for name, starts, duration in fresh[-1:] if first else fresh:
            data = await self._get(name, {})
            self.parts.append(Seen(name, time.monotonic(), time.time(), data, starts, duration))
        if self.parts and self.parts[-1].epoch not in self.inits:
            epoch = self.parts[-1].epoch
            self.inits[epoch] = await self._get(f"init-{epoch}.mp4", {})
        last = playlist.media_sequence + len(playlist.segments) - 1
        return {"_HLS_msn": str(last + 1), "_HLS_part": str(len(playlist.open.parts) if playlist.open else 0)}

    async def _get(self, name: str, query: dict[str, str]) -> bytes:
        async with self.client.get(f"{self.base}/{self.rendition}/{name}", params=query) as answer:
            body = await answer.read()
            if answer.status != 200:
                raise ValueError(f"{name}: {answer.status}")
            return body


def codes(init: bytes, parts: list[Seen], row: int) -> list[tuple[Seen, list[int | None]]]:
    """For each part the burned-in values of its pictures; parts must follow one another from an independent one."""
    data = init + b"".join(part.data for part in parts)
    found: list[int | None] = []
    with av.open(io.BytesIO(data), "r") as file:
        found += [timecode.read(planes_of(frame)[0], row) for frame in file.decode(video=0)]
    per_part = max(1, round(len(found) / len(parts)))
    return [(part, found[i * per_part : (i + 1) * per_part]) for i, part in enumerate(parts)]
