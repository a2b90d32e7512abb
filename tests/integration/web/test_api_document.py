"""The running API does what its OpenAPI document says: schemathesis makes the requests, right and wrong ones."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.support.commerce_owner import CommerceOwner
from tests.support.sites import ADMIN, Site, site
from web.settings import AuthSettings

WIDE = AuthSettings(
    admin_token=SecretStr(ADMIN),
    token_rate=1e6,
    token_burst=1e6,
    address_rate=1e6,
    address_burst=1e6,
    failure_rate=1e6,
    failure_burst=1e6,
)
# What fits the schema is refused for good reasons that a schema cannot tell: a ladder taller than its canvas, a feed that
# is not there, a log-in that is wrong.
UNFIT = "positive_data_acceptance"


async def conforms(live: Site, folder: Path, *options: str, within: float) -> None:
    """Run it; fails with what it found."""
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        *("run", f"{live.url}/api/openapi.json", "--url", live.url, "--no-color", "--continue-on-failure"),
        *("--exclude-checks", UNFIT, "--suppress-health-check", "all", "--warnings", "off"),
        *("--request-timeout", "20", *options),
        cwd=folder,  # it keeps what it found there
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), within)
    except BaseException:
        process.kill()
        await process.wait()
        raise
    text = "\n".join(
        line[:1500] for line in said.decode().splitlines()
    )  # a request may be of many thousand signs
    assert process.returncode == 0, text[-12_000:]
    assert "Tested: " in text, text[-2000:]


async def populated(live: Site) -> None:
    await live.ask("POST", "/api/v1/channels", json={"id": "main"}, status=201)
    await live.ask("POST", "/api/v1/feeds", json={"id": "cam", "kind": "rtmp"}, status=201)


@pytest.mark.timeout(240)
async def test_requests_made_from_the_document_find_nothing(tmp_path: Path) -> None:
    async with site(tmp_path, auth=WIDE) as live, CommerceOwner(live.owners.bus).serving():
        await populated(live)
        await conforms(
            live, tmp_path, "-H", f"Authorization: Bearer {ADMIN}", "--max-examples", "2",
            "--phases", "examples,coverage,fuzzing", "--generation-deterministic", within=200,
        )  # fmt: skip


@pytest.mark.soak
@pytest.mark.parametrize("caller", ["admin", "nobody"])
async def test_many_requests_made_from_the_document_find_nothing(tmp_path: Path, caller: str) -> None:
    async with site(tmp_path, auth=WIDE) as live, CommerceOwner(live.owners.bus).serving():
        await populated(live)
        headers = ["-H", f"Authorization: Bearer {ADMIN}"] if caller == "admin" else []
        await conforms(live, tmp_path, *headers, "--max-examples", "100", within=3600)
