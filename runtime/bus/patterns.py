"""Topics and patterns. A topic is dotted words; in a pattern `*` is one word, a final `**` is one or more."""

from __future__ import annotations

import re
from collections.abc import Iterable

MAX_TOPIC = 255
"""Bytes of a topic or pattern."""

_WORDS = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_PATTERN = re.compile(r"(?:(?:[A-Za-z0-9_-]+|\*)(?:\.(?:[A-Za-z0-9_-]+|\*))*(?:\.\*\*)?)|\*\*")


def check_topic(topic: str) -> None:
    """Raises ValueError where `topic` is no topic."""
    if len(topic) > MAX_TOPIC or not _WORDS.fullmatch(topic):
        raise ValueError(f"{topic[:80]!r} is no topic: dotted words of letters, digits, _ and -")


def check_pattern(pattern: str) -> None:
    """Raises ValueError where `pattern` is no pattern."""
    if len(pattern) > MAX_TOPIC or not _PATTERN.fullmatch(pattern):
        raise ValueError(
            f"{pattern[:80]!r} is no pattern: dotted words, * for one word, a final ** for the rest"
        )


def matches(pattern: str, topic: str) -> bool:
    """Whether a topic is among what a pattern stands for."""
    if pattern == topic:
        return True
    wanted, words = pattern.split("."), topic.split(".")
    if wanted[-1] == "**":
        if len(words) < len(wanted):
            return False
        wanted = wanted[:-1]
        words = words[: len(wanted)]
    return len(wanted) == len(words) and all(
        want in ("*", word) for want, word in zip(wanted, words, strict=True)
    )


def matches_any(patterns: Iterable[str], topic: str) -> bool:
    """Whether any of the patterns matches."""
    return any(matches(pattern, topic) for pattern in patterns)
