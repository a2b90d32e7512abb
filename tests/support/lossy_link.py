"""A link to a network namespace that loses UDP packets by chance, both ways: media, RTCP, DTLS and ICE alike.

A pair of virtual interfaces, each with a classic BPF program at its entry that throws a share of UDP away. Every kernel
with clsact and cls_bpf can do that; netem, made for it, is a module that small kernels lack. TCP passes untouched.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import re
import shutil
import subprocess
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE, THERE = "10.213.77.1", "10.213.77.2"
_CLONE_NEWNET = 0x40000000
_NAME = f"gachi{os.getpid() % 1_000_000}"
_SIDES = ((), ("-n", _NAME))
_LOAD_PROTOCOL, _LOAD_RANDOM = 0xFFF00009, 0xFFFFF038  # SKF_NET_OFF + 9, SKF_AD_OFF + SKF_AD_RANDOM


@dataclass(frozen=True)
class Link:
    """The link while it is up: ours has the address `HERE`, the namespace's has `THERE`."""

    def lose(self, percent: int) -> None:
        """From now on so many packets of a hundred are lost, each way."""
        program = (
            f"7,48 0 0 {_LOAD_PROTOCOL},21 0 4 17,"  # another protocol than UDP passes
            f"32 0 0 {_LOAD_RANDOM},148 0 0 100,53 1 0 {percent},6 0 0 2,6 0 0 0"
        )
        for side in _SIDES:
            where = ("dev", _name(side), "ingress", "prio", "1", "handle", "1", "bpf")
            _run("tc", *side, "filter", "replace", *where, "direct-action", "bytecode", program)

    def pull(self) -> None:
        """Pull the plug out of the namespace's side: it has no network at all until `plug`."""
        _run("ip", *_SIDES[1], "link", "set", _name(_SIDES[1]), "down")

    def plug(self) -> None:
        """Put it back in."""
        _run("ip", *_SIDES[1], "link", "set", _name(_SIDES[1]), "up")

    def inside(self, program: str, folder: Path) -> str:
        """Path of a script in `folder` that runs a program in the namespace, with whatever it is given."""
        script = folder / f"inside-{Path(program).name}"
        script.write_text(f'#!/bin/sh\nexec ip netns exec {_NAME} {program} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
        return str(script)

    @property
    def lost(self) -> tuple[int, int]:
        """Packets thrown away so far: of those to us, of those to the namespace."""
        here, there = (
            int(found[1])
            for side in _SIDES
            if (
                found := re.search(
                    r"dropped (\d+)", _run("tc", *side, "-s", "qdisc", "show", "dev", _name(side), "clsact")
                )
            )
        )
        return here, there

    @asynccontextmanager
    async def beyond(self, work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
        """Run `work` in the namespace, on a thread and loop of its own, and cancel it at the end; raises what it raised."""
        begun: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = Future()

        async def both() -> None:
            task = asyncio.current_task()
            assert task is not None
            begun.set_result((asyncio.get_running_loop(), task))
            await work()

        def run() -> None:
            try:
                _enter()
                with contextlib.suppress(asyncio.CancelledError):
                    asyncio.run(both())
            except BaseException as error:  # noqa: BLE001 - told to whoever started it
                failed.append(error)
                if not begun.done():
                    begun.set_exception(error)

        failed: list[BaseException] = []
        thread = threading.Thread(target=run, name="beyond the link")
        thread.start()
        try:
            loop, task = await asyncio.wrap_future(begun)
            yield
        finally:
            if begun.done() and begun.exception() is None:
                with contextlib.suppress(RuntimeError):  # its loop is closed: it ended by itself
                    loop.call_soon_threadsafe(task.cancel)
            await asyncio.to_thread(thread.join, 15)
        if failed:
            raise failed[0]


@contextmanager
def lossy_link(percent: int) -> Iterator[Link]:
    """Bring it up, and take it down whatever happens. Skips the test where this machine cannot."""
    if os.geteuid() != 0 or not (shutil.which("ip") and shutil.which("tc")):
        pytest.skip("no network that loses packets was made: it takes root and iproute2")
    link = Link()
    try:
        try:
            _run("ip", "netns", "add", _NAME)
            _run(
                "ip", "link", "add", f"{_NAME}h", "type", "veth", "peer", "name", f"{_NAME}t", "netns", _NAME
            )
            for side, address in zip(_SIDES, (HERE, THERE), strict=True):
                _run("ip", *side, "address", "add", f"{address}/30", "dev", _name(side))
                _run("ip", *side, "link", "set", _name(side), "up")
                _run("tc", *side, "qdisc", "add", "dev", _name(side), "clsact")
            link.lose(percent)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network that loses packets was made: {error.stderr.strip()}")
        yield link
    finally:
        # With the namespace goes its interface, and with that the other end.
        subprocess.run(["ip", "netns", "delete", _NAME], capture_output=True, check=False)
        subprocess.run(["ip", "link", "delete", f"{_NAME}h"], capture_output=True, check=False)


def _name(side: tuple[str, ...]) -> str:
    return f"{_NAME}t" if side else f"{_NAME}h"


def _run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout


def _enter() -> None:
    """Put the calling thread into the namespace (setns(2)); it stays there for its life."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path(f"/var/run/netns/{_NAME}").open("rb") as file:
        if libc.setns(file.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
