"""`PictureStore` in memory: for tests, and the second witness of the port's contract."""

from __future__ import annotations

from collections import OrderedDict


class MemoryPictures:
    """Keeps at most `limit` bytes."""

    def __init__(self, limit: int = 1 << 30) -> None:
        self._limit = limit
        self._kept: OrderedDict[str, bytes] = OrderedDict()

    def get(self, name: str) -> bytes | None:
        """See `PictureStore`."""
        if name in self._kept:
            self._kept.move_to_end(name)
        return self._kept.get(name)

    def put(self, name: str, jpeg: bytes) -> None:
        """See `PictureStore`."""
        self._kept.pop(name, None)
        self._kept[name] = jpeg
        while sum(map(len, self._kept.values())) > self._limit:
            self._kept.popitem(last=False)
