from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, SecretStr

from runtime.settings import (
    DEFAULTS,
    SOCKET_NAME_LIMIT,
    Section,
    Settings,
    SettingsError,
    discover,
    leaves,
    merge,
    parse_value,
)

keys = st.text("abc", min_size=1, max_size=2)
scalars = st.one_of(st.integers(), st.booleans(), st.text(max_size=4), st.lists(st.integers(), max_size=3))
tables = st.recursive(
    st.dictionaries(keys, scalars, max_size=4),
    lambda inner: st.dictionaries(keys, st.one_of(scalars, inner), max_size=4),
)


class ShopSettings(Section):
    section: ClassVar[str] = "shop"
    aliases: ClassVar[Mapping[str, str]] = {"GACHI_SHOP_TOKEN": "token"}
    port: int = 8080
    name: str = "gachi"
    token: SecretStr = SecretStr("")
    tags: tuple[str, ...] = ()
    nested: dict[str, dict[str, int]] = Field(default_factory=dict)


def load(tmp_path: Path, toml: str = "", **env: str) -> Settings:
    chosen = tmp_path / "chosen.toml"
    chosen.write_text(toml)
    return Settings.load(chosen, env, sections=[ShopSettings], defaults=None)


@given(tables)
def test_merging_nothing_changes_nothing(table: dict[str, Any]) -> None:
    assert merge(table, {}) == table
    assert merge({}, table) == table
    assert merge(table, table) == table


@given(tables, tables)
def test_every_later_leaf_wins_and_every_other_earlier_leaf_stays(
    base: dict[str, Any], over: dict[str, Any]
) -> None:
    before = repr((base, over))
    merged = dict(leaves(merge(base, over)))
    later = dict(leaves(over))
    for path, value in later.items():
        if value != {}:
            assert merged[path] == value
    for path, value in leaves(base):
        touched = any(path[: len(other)] == other or other[: len(path)] == path for other in later)
        assert touched or merged[path] == value
    assert repr((base, over)) == before


def test_lists_are_replaced() -> None:
    assert merge({"a": [1, 2]}, {"a": [3]}) == {"a": [3]}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8080", 8080),
        ("true", True),
        ('["a", "b"]', ["a", "b"]),
        ("main", "main"),
        ("", ""),
        ('"7"', "7"),
        ("1\nx = 2", "1\nx = 2"),
    ],
)
def test_a_variable_is_toml_where_it_parses(text: str, value: object) -> None:
    assert parse_value(text) == value


@given(st.text(max_size=20))
def test_any_text_is_a_value(text: str) -> None:
    parse_value(text)


def test_layers_go_over_each_other(tmp_path: Path) -> None:
    defaults = tmp_path / "default.toml"
    defaults.write_text('[shop]\nport = 1\nname = "one"\ntags = ["a", "b"]\nnested.x.one = 1\n')
    chosen = tmp_path / "chosen.toml"
    chosen.write_text('[shop]\nname = "two"\ntags = ["c"]\nnested.x.two = 2\n')
    env = {"GACHI_SHOP__NESTED__X__TWO": "3", "OTHER": "x"}
    settings = Settings.load(chosen, env, sections=[ShopSettings], defaults=defaults)
    shop = settings[ShopSettings]
    assert (shop.port, shop.name, shop.tags) == (1, "two", ("c",))
    assert shop.nested == {"x": {"one": 1, "two": 3}}
    assert settings.origin("shop", "port") == str(defaults)
    assert settings.origin("shop", "name") == str(chosen)
    assert settings.origin("shop", "nested", "x", "two") == "variable GACHI_SHOP__NESTED__X__TWO"
    assert settings.origin("shop", "token") == "the built-in default"


def test_an_unknown_key_is_refused_with_its_path_and_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, "[shop]\nprot = 1\n")
    assert caught.value.path == "shop.prot"
    assert str(tmp_path / "chosen.toml") in str(caught.value)


def test_an_unknown_section_and_a_bad_value_are_told_together(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, "[shoe]\nsize = 1\n", GACHI_SHOP__PORT="many")
    assert [(problem.path, problem.origin) for problem in caught.value.problems] == [
        ("shoe", str(tmp_path / "chosen.toml")),
        ("shop.port", "variable GACHI_SHOP__PORT"),
    ]


@pytest.mark.parametrize("variable", ["GACHI_SHOP_PORT", "GACHI_SHOP", "GACHI___PORT", "GACHI_SHOP__"])
def test_a_variable_that_is_no_setting_is_refused(tmp_path: Path, variable: str) -> None:
    with pytest.raises(SettingsError, match=variable):
        load(tmp_path, **{variable: "1"})


def test_an_unknown_variable_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"shop\.prot: there is no such setting \(from variable GACHI_SHOP__PROT\)"
    ):
        load(tmp_path, GACHI_SHOP__PROT="1")


@pytest.mark.parametrize("token", ["0123", "12345", "true", "1e5", "2026-01-01", "a b", "[x]"])
def test_text_that_looks_like_something_else_stays_text(tmp_path: Path, token: str) -> None:
    settings = load(tmp_path, GACHI_SHOP_TOKEN=token, GACHI_SHOP__NAME=token)
    assert settings[ShopSettings].token.get_secret_value() == token
    assert settings[ShopSettings].name == token


def test_missing_and_broken_files_are_settings_errors(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="does not exist"):
        Settings.load(tmp_path / "none.toml", {}, sections=[], defaults=None)
    with pytest.raises(SettingsError, match="cannot be read"):
        load(tmp_path, "[shop\n")


def test_a_child_process_loads_the_same(tmp_path: Path) -> None:
    first = load(
        tmp_path, "[shop]\nport = 5\n", GACHI_SHOP__NAME="x", GACHI_DATA=str(tmp_path / "data"), HOME="/"
    )
    assert "HOME" not in first.environment
    second = Settings.load(None, first.environment, sections=[ShopSettings], defaults=None)
    assert second[ShopSettings] == first[ShopSettings]
    assert second.data == first.data == tmp_path / "data"


def test_a_long_data_path_gets_short_sockets(tmp_path: Path) -> None:
    short = Settings({}, data=Path("/srv/gachi"))
    assert short.socket("bus") == Path("/srv/gachi/run/bus.sock")
    # One place for all, whatever its length: folders are made before the longest name is known.
    for length in range(20, 60):
        between = Settings({}, data=Path("/" + "x" * length))
        longest = between.socket("o" * SOCKET_NAME_LIMIT)
        assert len(str(longest)) <= 107
        assert longest.parent == between.socket("bus").parent
    long = Settings({}, data=tmp_path / ("x" * 120))
    assert len(str(long.socket("bus"))) < 100
    long.create_folders()
    assert long.socket("bus").parent.stat().st_mode & 0o777 == 0o700
    long.socket("bus").parent.rmdir()


def test_the_registered_sections_accept_the_default_file_and_agree_with_it() -> None:
    settings = Settings.load(None, {})
    table = tomllib.loads(DEFAULTS.read_text())
    for name, section in discover().items():
        bare = section().model_dump(mode="json")
        written = settings.sections()[name].model_dump(mode="json")
        for path, _ in leaves(table.get(name, {})):
            assert written[path[0]] == bare[path[0]], (
                f"{name}.{path[0]}: configs/default.toml and the class differ"
            )
