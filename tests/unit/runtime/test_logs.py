from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from runtime import logs
from runtime.sections import LogFormat, LogLevel, LogSettings

log = logs.get("test.part")


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


async def test_lines_are_json_with_the_ids_of_the_task_that_wrote_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.setup(LogSettings(format=LogFormat.JSON), "web")

    async def work(channel: str) -> None:
        with logs.bound(channel=channel):
            await asyncio.sleep(0)
            log.info("방송 시작", epoch=7)

    await asyncio.gather(work("main"), work("two"))
    log.info("apart")
    got = lines(capsys)
    assert [line.get("channel") for line in got] == ["main", "two", None]
    assert {key: got[0][key] for key in ("event", "role", "part", "level", "epoch")} == {
        "event": "방송 시작",
        "role": "web",
        "part": "test.part",
        "level": "info",
        "epoch": 7,
    }


def test_the_level_is_kept_and_libraries_speak_only_when_it_matters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.setup(LogSettings(format=LogFormat.JSON, level=LogLevel.INFO), "web")
    log.debug("too fine")
    log.info("ours")
    logging.getLogger("library").info("its affair")
    logging.getLogger("library").error("broken %s", "pipe")
    got = lines(capsys)
    assert [line["event"] for line in got] == ["ours", "broken pipe"]
    assert (got[1]["part"], got[1]["role"], got[1]["level"]) == ("library", "web", "error")


@pytest.mark.parametrize("format_", [LogFormat.JSON, LogFormat.CONSOLE])
def test_a_traceback_does_not_show_what_the_variables_held(
    capsys: pytest.CaptureFixture[str], format_: LogFormat
) -> None:
    logs.setup(LogSettings(format=format_), "web")

    def fail(stream_key: str) -> None:
        raise RuntimeError(f"refused {len(stream_key)}")

    try:
        fail("very-secret-key")
    except RuntimeError:
        log.exception("a publisher was refused")
        logging.getLogger("library").exception("the same")
    text = capsys.readouterr().err
    assert "RuntimeError" in text
    assert "refused 15" in text
    assert text.count("very-secret-key") == (
        0 if format_ is LogFormat.JSON else text.count('fail("very-secret-key")')
    )
