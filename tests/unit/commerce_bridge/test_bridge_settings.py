from __future__ import annotations

from pathlib import Path

import pytest

from commerce_bridge.settings import BridgeSettings
from runtime.settings import Settings, SettingsError


def load(folder: Path, text: str) -> BridgeSettings:
    file = folder / "settings.toml"
    file.write_text(f"[bridge]\nshops = {text}\n", encoding="utf-8")
    return Settings.load(file, env={}, sections=[BridgeSettings], defaults=None)[BridgeSettings]


def test_shops_are_connected_by_settings(tmp_path: Path) -> None:
    (shop,) = load(
        tmp_path,
        '[{id = "mall", kind = "feed", options = {url = "https://a.example", each = 50, gzip = true}}]',
    ).shops
    options = {key: value.get_secret_value() for key, value in shop.options.items()}
    assert options == {"url": "https://a.example", "each": "50", "gzip": "true"}
    assert "a.example" not in repr(shop)
    assert BridgeSettings(full_pass_at="23:59").night == 23 * 60 + 59


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        ('[{id = "mall", kind = "cafe25"}]', "bridge.shops.0.kind", "there are feed, vendure"),
        ('[{id = "Mall", kind = "feed"}]', "bridge.shops.0.id", "pattern"),
        ('[{id = "mall", kind = "feed", key = "x"}]', "bridge.shops.0.key", "no such setting"),
        ('[{id = "m", kind = "feed"}, {id = "m", kind = "feed"}]', "bridge.shops", "same id"),
        ('[{id = "m", kind = "feed", options = {a = [1]}}]', "bridge.shops.0.options.a", "string"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, path: str, words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, text)
    assert refused.value.path == path
    assert words in str(refused.value)
