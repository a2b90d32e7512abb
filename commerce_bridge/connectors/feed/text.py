"""Bytes → text → lines, whatever wrote them: UTF-8 with a mark or without, UTF-16 with one, or CP949 as a Korean Excel writes.

A byte that is no text in the feed's encoding becomes a lone surrogate (as `surrogateescape` does), so that it costs its
own row alone.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from commerce_bridge.model.errors import ShopLiedError

ENCODINGS = ("utf-8", "cp949")
"""What `encoding` may be; EUC-KR is a part of CP949."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip
_ENOUGH = 1 << 16
"""Bytes after which an encoding is chosen, line break or none."""
_LONGEST_LINE = 1 << 24
"""Signs; who writes no line break for longer than this writes no lines."""


class Decoder:
    """Bytes → text, a piece at a time. Without a given encoding it is chosen where the first sign beyond ASCII is read."""

    def __init__(self, encoding: str = "") -> None:
        self._encoding = encoding
        self._decoder: codecs.IncrementalDecoder | None = None
        self._held = b""
        self._begun = False

    def decode(self, data: bytes, *, last: bool = False) -> str:
        """The text that `data` completes. Raises `ShopLiedError` where it is no text at all."""
        if self._decoder is None:
            data = self._held + data
            self._held = b""
            if not self._begun and len(data) < 3 and not last:
                self._held = data
                return ""
            data = self._marked(data)
            if self._decoder is None:
                return self._choose(data, last=last)
        try:
            return self._decoder.decode(data, last)
        except UnicodeDecodeError as error:
            raise ShopLiedError(
                f"the feed is no {error.encoding} from byte {error.start} of a piece on"
            ) from error

    def _marked(self, data: bytes) -> bytes:
        """Without the mark of an encoding at the beginning, which decides."""
        if self._begun:
            return data
        self._begun = True
        for mark, encoding in _MARKS:
            if data.startswith(mark):
                self._set(encoding)
                return data.removeprefix(mark)
        if self._encoding:
            self._set(self._encoding)
        return data

    def _choose(self, data: bytes, *, last: bool) -> str:
        """ASCII as it is; what is more is held until a line is whole, or long enough, to choose by."""
        if data.isascii():
            return data.decode("ascii")
        *lines, tail = data.split(b"\n")
        judged = [line for line in lines if not line.isascii()]
        if not judged and not last and len(tail) < _ENOUGH:
            self._held = data
            return ""
        judged = judged or [tail]
        self._set(min(ENCODINGS, key=lambda encoding: sum(not _reads(line, encoding) for line in judged)))
        return self.decode(data, last=last)

    def _set(self, encoding: str) -> None:
        # UTF-16 has no bytes of its own to put in place of wrong ones.
        errors = "strict" if encoding.startswith("utf-16") else "surrogateescape"
        self._decoder = codecs.getincrementaldecoder(encoding)(errors)


def _reads(line: bytes, encoding: str) -> bool:
    try:
        # A line may be cut within its last sign.
        codecs.getincrementaldecoder(encoding)().decode(line)
    except UnicodeDecodeError:
        return False
    return True


class Lines:
    """Bytes → lines without their ends (LF or CRLF)."""

    def __init__(self, encoding: str = "") -> None:
        self._decoder = Decoder(encoding)
        self._tail: list[str] = []
        self._held = 0

    def feed(self, data: bytes) -> Iterator[str]:
        """The lines that `data` ends. Raises `ShopLiedError` where one never ends."""
        return self._split(self._decoder.decode(data))

    def end(self) -> tuple[list[str], str]:
        """The lines that were held back, and what follows the last line break."""
        lines = list(self._split(self._decoder.decode(b"", last=True)))
        return lines, "".join(self._tail).removesuffix("\r")

    def _split(self, text: str) -> Iterator[str]:
        lines = text.split("\n")
        self._tail.append(lines[0])
        self._held += len(lines[0])
        if len(lines) > 1:
            lines[0] = "".join(self._tail)
            tail = lines.pop()
            self._tail, self._held = [tail], len(tail)
            for line in lines:
                yield line.removesuffix("\r")
        if self._held > _LONGEST_LINE:
            raise ShopLiedError("the feed has a line that never ends")
