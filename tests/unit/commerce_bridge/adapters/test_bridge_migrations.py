from __future__ import annotations

from pathlib import Path

import pytest

from commerce_bridge.adapters.migrations import BRANCH
from runtime.migrations import differences, upgrade
from tests.support import databases


@pytest.mark.parametrize("kind", databases.KINDS)
async def test_the_steps_lead_to_the_tables_that_are_written_down(kind: str, tmp_path: Path) -> None:
    async with databases.fresh(kind, tmp_path) as database:
        await upgrade(database, [BRANCH])
        assert await differences(database, BRANCH) == []
