"""Text that strangers wrote, made fit for a card. Pages escape it all the same; this is so that it reads well."""

from __future__ import annotations

import html
import re
import unicodedata

LONGEST = 200_000
"""Characters that are looked at: what a shop sends beyond that is no description."""
# No class here may run over a "<": thousands of tags that never end must not cost the square of their number.
_HIDDEN = re.compile(
    r"<(script|style|template|noscript|iframe)\b[^<>]*>.*?(</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL
)
_BREAKS = re.compile(r"<(?:br|/p|/div|/li|/tr|/h[1-6])\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z!?][^<>]*>")
_BLANKS = re.compile(r"[^\S\n]+")
# Signs of control (Unicode's category Cc) but the line break, and halves of surrogate pairs, which no store can keep.
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_WORKED = re.compile(r"[<&]|  ")
# Signs that reorder text (Trojan Source, CVE-2021-42574), and those of no width that hide words from a search.
_UNSEEN = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200B, 0x200E, 0x200F, 0xFEFF])


def plain(text: str) -> str:
    """Without markup, scripts and signs of control; at most one blank between words, one line break between lines."""
    text = text[:LONGEST]
    # Most of what shops send is plain already: eight of ten seconds of a whole catalog went into the steps below.
    if text.isprintable() and not _WORKED.search(text) and unicodedata.is_normalized("NFC", text):
        return text.strip()
    if "<" in text:
        text = _TAG.sub(" ", _BREAKS.sub("\n", _HIDDEN.sub(" ", text)))
    if "&" in text:
        text = html.unescape(text)
    text = _CONTROL.sub(" ", unicodedata.normalize("NFC", text.translate(_UNSEEN)))
    lines = (line.strip() for line in _BLANKS.sub(" ", text).split("\n"))
    return "\n".join(line for line in lines if line)


def one_line(text: str, limit: int) -> str:
    """Without line breaks, at most `limit` characters."""
    return " ".join(text.split())[:limit].strip()
