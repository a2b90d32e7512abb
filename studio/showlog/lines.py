"""A log entry as one NDJSON line, and what of a file is a sound log. Pure: bytes ↔ values."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from studio.contracts.shows import LogEntry


def to_line(entry: LogEntry) -> bytes:
    """The entry as UTF-8 JSON on one line, with its line feed (JSON escapes those inside strings)."""
    return entry.model_dump_json().encode() + b"\n"


def from_line(line: bytes) -> LogEntry | None:
    """The entry of a line without its line feed; None where it is not one."""
    try:
        return LogEntry.model_validate_json(line)
    except ValidationError:
        return None


@dataclass(frozen=True, slots=True)
class Sound:
    """The sound beginning of a log: `size` bytes that end with the entry `last`."""

    size: int
    last: LogEntry | None


def sound_prefix(content: bytes) -> Sound:
    """The longest beginning that consists of whole lines with seq 1, 2, … without a hole.

    What a crash leaves behind it may be a part of a line, or, after a power cut, blocks of zeros.
    """
    size, last = 0, None
    while (feed := content.find(b"\n", size)) >= 0:
        entry = from_line(content[size:feed])
        if entry is None or entry.seq != (last.seq if last else 0) + 1:
            break
        size, last = feed + 1, entry
    return Sound(size, last)
