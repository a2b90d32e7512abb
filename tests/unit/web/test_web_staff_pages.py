"""What the staff's pages and the server must agree on: each says it in its own language, and neither reads the other's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

import web
from media.node.spec import PRESETS
from web.api.table import ROUTES
from web.auth.accounts import SHORTEST
from web.pages import STAFF
from web.playback.qoe import REPLAY

SOURCE = Path(web.__file__).parent / "frontend/src"
NOTED = [route for route in ROUTES if route.method != "GET" and route.noted]


def text(path: str) -> str:
    return (SOURCE / path).read_text()


def listed(path: str, name: str) -> list[str]:
    """The strings of `const NAME = [...]`."""
    found = re.search(rf"const {name}\b[^=]*= \[(.*?)\]", text(path), re.DOTALL)
    assert found is not None, name
    return re.findall(r'"([^"]+)"', found[1])


def fields(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield name
        for inner in (field.annotation, *get_args(field.annotation)):
            if isinstance(inner, type) and issubclass(inner, BaseModel) and name == "settings":
                yield from fields(inner)


def test_the_same_rooms_are_served_as_are_known() -> None:
    assert listed("routes.ts", "STAFF") == list(STAFF)


@pytest.mark.parametrize("language", ["ko", "en"])
def test_every_change_that_is_noted_can_be_told_in_words(language: str) -> None:
    catalogue = text(f"messages/staff/{language}/audit.ts")
    missing = {f"audit.op.{route.operation}" for route in NOTED}
    missing |= {f"audit.field.{name}" for route in NOTED if route.body for name in fields(route.body)}
    assert {each for each in missing if f'"{each}"' not in catalogue} == set()


def test_every_change_that_is_noted_can_be_asked_for() -> None:
    groups = text("staff/audit.ts")
    assert {route.operation for route in NOTED if f'"{route.operation}"' not in groups} == set()


def test_forms_know_the_limits() -> None:
    assert listed("staff/settings.ts", "PRESETS") == list(PRESETS)
    assert f"const SHORTEST = {SHORTEST};" in text("staff/faults.ts")
    assert f'const REPLAY = "{REPLAY}";' in text("staff/Viewers.svelte")
