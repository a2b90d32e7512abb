"""What is told live: documents by key, each change with an offset, so that a reader needs only what came after its own.

A *board* is one topic as one audience may see it. A reader of some boards that is at offset `n` is brought to the
present by `Store.since(boards, n)`, or, where that is too long ago, by `Store.snapshot(boards)`: both end in the same
documents. However long a reader was away, what it gets is never more than the newest of each field.

Pure: no clock, no waiting, no sockets.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

Fields = Mapping[str, object]
"""One document: JSON values by name."""


@dataclass(slots=True)
class _Entry:
    since: int
    """Offset from which on every reader has all its fields: that of its making, or of the last field that went."""
    fields: dict[str, tuple[int, str]]
    """Offset of the last change and the JSON text, by name."""


@dataclass(slots=True, eq=False)
class Board:
    """The documents of a topic as one audience may see them."""

    topic: str
    known: bool = False
    """Whether the documents were told once; before that an empty board means nothing."""
    entries: dict[str, _Entry] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything on some boards: JSON text of each document by topic and key."""

    offset: int
    topics: Mapping[str, Mapping[str, str]]


@dataclass(slots=True)
class Delta:
    """What brings a reader to `offset`. JSON texts by topic and key."""

    offset: int
    put: dict[str, dict[str, str]] = field(default_factory=dict)
    """Documents that are new to the reader, whole."""
    set: dict[str, dict[str, str]] = field(default_factory=dict)
    """The changed fields of documents that it has."""
    gone: dict[str, list[str]] = field(default_factory=dict)
    """Keys that are no more."""
    changes: int = 0
    """Changes it stands for."""
    documents: int = 0
    """Documents it names: what is less than `changes` was coalesced."""

    @property
    def empty(self) -> bool:
        """Whether the reader misses nothing."""
        return not self.documents


def text_of(value: object) -> str:
    """JSON (RFC 8259) without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def diff(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str] | None:
    """The fields of `new` that are not as in `old`; None where one went, which changed fields cannot tell."""
    if old.keys() - new.keys():
        return None
    return {name: text for name, text in new.items() if old.get(name) != text}


class Store:
    """The boards' documents with the last `window` changes."""

    def __init__(self, window: int) -> None:
        if window < 1:
            raise ValueError("a store must keep one change at least")
        self.offset = 0
        """Of the newest change; rises by one with each."""
        self.floor = 0
        """Readers that are before it need a snapshot: changes since are not kept any more."""
        self._window = window
        self._log: deque[tuple[int, Board, str]] = deque()

    def put(self, board: Board, key: str, document: Fields) -> bool:
        """The document is now so; False where it was so already."""
        texts = {name: text_of(value) for name, value in document.items()}
        entry = board.entries.get(key)
        if entry is None:
            offset = self._note(board, key)
            board.entries[key] = _Entry(offset, {name: (offset, text) for name, text in texts.items()})
            return True
        changed = diff({name: text for name, (_, text) in entry.fields.items()}, texts)
        if changed is None:
            offset = self._note(board, key)
            entry.since = offset
            entry.fields = {name: (offset, text) for name, text in texts.items()}
            return True
        if not changed:
            return False
        offset = self._note(board, key)
        entry.fields |= {name: (offset, text) for name, text in changed.items()}
        return True

    def remove(self, board: Board, key: str) -> bool:
        """The document is no more; False where there was none."""
        if board.entries.pop(key, None) is None:
            return False
        self._note(board, key)
        return True

    def snapshot(self, boards: Iterable[Board]) -> Snapshot:
        """Everything on these boards now. No two are of one topic."""
        return Snapshot(
            self.offset,
            {
                board.topic: {key: _object(_texts(entry)) for key, entry in board.entries.items()}
                for board in boards
            },
        )

    def since(self, boards: Sequence[Board], offset: int) -> Delta | None:
        """What a reader of these boards misses that is at `offset`; None where that is not kept any more, or never was.
        No two boards are of one topic.
        """
        if not self.floor <= offset <= self.offset:
            return None
        delta = Delta(self.offset)
        # Newest first, so that of several changes of a document the first one met tells of all.
        met: set[tuple[int, str]] = set()
        for changed, board, key in reversed(self._log):
            if changed <= offset:
                break
            if board not in boards:
                continue
            delta.changes += 1
            if (id(board), key) not in met:
                met.add((id(board), key))
                _tell(delta, board, key, offset)
        delta.documents = len(met)
        return delta

    def _note(self, board: Board, key: str) -> int:
        self.offset += 1
        self._log.append((self.offset, board, key))
        if len(self._log) > self._window:
            self.floor = self._log.popleft()[0]
        return self.offset


def _tell(delta: Delta, board: Board, key: str, offset: int) -> None:
    entry = board.entries.get(key)
    if entry is None:
        delta.gone.setdefault(board.topic, []).append(key)
    elif entry.since > offset:
        delta.put.setdefault(board.topic, {})[key] = _object(_texts(entry))
    else:
        newer = {name: text for name, (changed, text) in entry.fields.items() if changed > offset}
        delta.set.setdefault(board.topic, {})[key] = _object(newer)


def _texts(entry: _Entry) -> dict[str, str]:
    return {name: text for name, (_, text) in entry.fields.items()}


def _object(fields: Mapping[str, str]) -> str:
    return "{" + ",".join(f"{text_of(name)}:{text}" for name, text in fields.items()) + "}"
