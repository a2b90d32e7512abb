from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.api.wire import micros_of, time_of
from web.auth.limits import Buckets, Rate
from web.playback.names import Kind, kind_of
from web.problems.answer import language_of
from web.problems.catalogue import KINDS, Language


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 3)), max_size=200))
def test_a_bucket_never_gives_more_than_its_rate(steps: list[tuple[str, float]]) -> None:
    buckets, now = Buckets(Rate(2, 5), size=3), 0.0
    taken = dict.fromkeys("abc", 0)
    for key, pause in steps:
        now += pause
        wait = buckets.take(key, now)
        taken[key] += wait == 0
        assert wait == 0 or 1 <= wait <= 3
    assert all(count <= 5 + 2 * now + 1e-6 for count in taken.values())


def test_the_table_of_buckets_is_bounded() -> None:
    buckets = Buckets(Rate(1, 1), size=100)
    for n in range(1000):
        buckets.take(str(n), 0.0)
    assert len(buckets) == 100


@given(st.integers(0, 4_000_000_000_000_000))
def test_times_are_exact(micros: int) -> None:
    assert micros_of(time_of(micros)) == micros


@given(st.text(max_size=60))
def test_no_name_has_more_than_one_folder(name: str) -> None:
    kind = kind_of(name)
    assert kind is None or (name.count("/") <= 1 and ".." not in name and "\\" not in name and name.isascii())


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("index.m3u8", Kind.PLAYLIST),
        ("v720/index.m3u8", Kind.PLAYLIST),
        ("audio/init-3.mp4", Kind.INIT),
        ("v720/3-0.m4s", Kind.SEGMENT),
        ("v720/3-17.0.m4s", Kind.PART),
        ("v720/3-17.01.m4s", None),
        ("V720/3-17.m4s", None),
        ("v720/3-17.m4s\n", None),
        ("v720/٣-17.m4s", None),
        ("", None),
    ],
)
def test_names(name: str, kind: Kind | None) -> None:
    assert kind_of(name) is kind


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", Language.EN),
        ("*", Language.EN),
        ("ko", Language.KO),
        ("ko-KR,ko;q=0.9,en-US;q=0.8", Language.KO),
        ("en-US,en;q=0.9,ko;q=0.8", Language.EN),
        ("ko;q=0, en;q=0.1", Language.EN),
        ("ko;q=0", Language.EN),
        ("fr, ko;q=0.1", Language.KO),
        (";;;,ko;q=x", Language.EN),
    ],
)
def test_the_language_is_the_callers(header: str, language: Language) -> None:
    assert language_of(header) is language


def test_the_catalogue_is_whole() -> None:
    for slug, kind in KINDS.items():
        assert slug == kind.slug
        assert 400 <= kind.status < 600
        for words in (kind.title, kind.detail, kind.advice):
            assert words.ko
            assert words.en
