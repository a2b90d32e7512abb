from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.bus.patterns import check_pattern, check_topic, matches

words = st.lists(st.text("ab", min_size=1, max_size=2), min_size=1, max_size=5)


def reference(pattern: list[str], topic: list[str]) -> bool:
    """The definition, word by word."""
    if not pattern:
        return not topic
    if pattern == ["**"]:
        return len(topic) >= 1
    return bool(topic) and pattern[0] in ("*", topic[0]) and reference(pattern[1:], topic[1:])


@given(words, st.data())
def test_matching_is_its_definition(topic: list[str], data: st.DataObject) -> None:
    pattern = [data.draw(st.sampled_from([word, word, "*", "a"])) for word in topic]
    pattern = pattern[: data.draw(st.integers(0, len(pattern)))] + data.draw(
        st.sampled_from([[], ["**"], ["*"]])
    )
    if not pattern:
        return
    check_pattern(".".join(pattern))
    assert matches(".".join(pattern), ".".join(topic)) == reference(pattern, topic)


@given(words)
def test_a_topic_matches_itself(topic: list[str]) -> None:
    check_topic(".".join(topic))
    assert matches(".".join(topic), ".".join(topic))


@pytest.mark.parametrize("topic", ["", ".", "a.", ".a", "a..b", "a.*", "**", "a b", "x" * 256, "a\n", "é"])
def test_what_is_no_topic_is_refused(topic: str) -> None:
    with pytest.raises(ValueError, match="no topic"):
        check_topic(topic)


@pytest.mark.parametrize("pattern", ["", "a.**.b", "a*", "***", "a.", "**.a", "a\n", "x" * 256])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="no pattern"):
        check_pattern(pattern)
