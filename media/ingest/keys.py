"""Stream keys: 160 random bits, kept only as their SHA-256.

A plain hash is enough here. Slow, salted hashes protect what people think up; 2^160 equally likely keys can neither be
listed nor guessed, whatever the hash costs. Looking a key up by its hash also keeps comparison times from telling
anything of a key: what an attacker can vary is the input of the hash, not its output.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets

_GIVEN = re.compile(r"^[A-Za-z0-9._~-]{8,128}$")


def new_key() -> str:
    """A fresh key: 32 letters and digits (base 32, lower case), safe in every URL and encoder field."""
    return base64.b32encode(secrets.token_bytes(20)).decode().lower()


def hash_key(key: str) -> str:
    """What is kept of a key: 64 hexadecimal digits."""
    return hashlib.sha256(key.encode()).hexdigest()


def acceptable(key: str) -> bool:
    """Whether a key that somebody chose can be used in a publish URL: 8 to 128 unreserved characters (RFC 3986 §2.3)."""
    return _GIVEN.match(key) is not None
