"""`LinkKeyStore` as one JSON file that only its owner may read."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from commerce_bridge.links.tokens import SECRET_BYTES, LinkKey
from commerce_bridge.model.errors import StoreError

MODE = 0o600


class FileLinkKeys:
    """The keys in the file at `path`; its folder is made when it is first needed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> list[LinkKey]:
        """See `LinkKeyStore`."""
        try:
            return [_key(each) for each in json.loads(self._path.read_bytes())["keys"]]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(f"the keys of links cannot be read: {error.strerror or error}") from error
        except (ValueError, KeyError, TypeError) as error:
            # Without the text of the error: it may quote the file.
            raise StoreError(f"{self._path.name} is no file of link keys: {type(error).__name__}") from None

    def save(self, keys: Sequence[LinkKey]) -> None:
        """See `LinkKeyStore`."""
        listed = [
            {"id": key.id, "secret": base64.b64encode(key.secret).decode(), "made": key.made} for key in keys
        ]
        fresh = self._path.with_name(f"{self._path.name}.new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh.unlink(missing_ok=True)  # of a crash, and perhaps with other rights
            fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
            with os.fdopen(fd, "wb") as file:
                file.write(json.dumps({"keys": listed}, indent=1).encode())
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
            _sync(self._path.parent)
        except OSError as error:
            raise StoreError(f"the keys of links cannot be kept: {error.strerror or error}") from error


def _key(written: dict[str, Any]) -> LinkKey:
    """One key of the file. Raises ValueError, KeyError or TypeError."""
    key = LinkKey(
        int(written["id"]), base64.b64decode(written["secret"], validate=True), made=int(written["made"])
    )
    if not 1 <= key.id <= 255 or len(key.secret) != SECRET_BYTES:
        raise ValueError("no key")
    return key


def _sync(folder: Path) -> None:
    """Make a rename in the folder outlive a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
