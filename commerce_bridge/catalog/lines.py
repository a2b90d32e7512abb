"""The text that a product is found by, and how texts are made comparable. Pure."""

from __future__ import annotations

import re
import unicodedata

from commerce_bridge.model.product import Product

LONGEST = 1000
"""Characters of a product's line: some have hundreds of variants."""
CONSONANTS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
"""The consonants that a syllable begins with, in the order of their syllables (Unicode §3.12): 588 for each."""
_FIRST, _LAST, _EACH = 0xAC00, 0xD7A3, 588
_SIGNS = re.compile(r"[\W_]+")
# What a keyboard makes of two first consonants that are typed one after the other.
_CLUSTERS = {
    ord(cluster): two
    for cluster, two in zip(
        "ㄳㄵㄶㄺㄻㄼㄽㄾㄿㅀㅄ",
        ("ㄱㅅ", "ㄴㅈ", "ㄴㅎ", "ㄹㄱ", "ㄹㅁ", "ㄹㅂ", "ㄹㅅ", "ㄹㅌ", "ㄹㅍ", "ㄹㅎ", "ㅂㅅ"),
        strict=True,
    )
}
_HAS_CLUSTER = re.compile("[ㄳㄵㄶㄺㄻㄼㄽㄾㄿㅀㅄ]")


class _Initials(dict[int, int]):
    """For `str.translate`: a syllable's first consonant, any other sign itself. Filled as signs come."""

    def __missing__(self, sign: int) -> int:
        initial = ord(CONSONANTS[(sign - _FIRST) // _EACH]) if _FIRST <= sign <= _LAST else sign
        self[sign] = initial
        return initial


_INITIALS = _Initials()


def told_of(product: Product) -> str:
    """What a product is found by: its title, a tab, then brand, category, SKUs and the shop's id. One line."""
    skus = dict.fromkeys(each.sku for each in product.variants if each.sku)
    rest = " ".join(each for each in (product.brand, product.category, *skus, product.key) if each)
    return f"{product.title}\t{rest}"[:LONGEST]


def normal(text: str) -> str:
    """Words of letters and digits with one blank between them, composed (NFC), without a difference of case, and pairs of
    consonants as two.
    """
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    if _HAS_CLUSTER.search(folded):
        folded = folded.translate(_CLUSTERS)
    return _SIGNS.sub(" ", folded).strip()


def initials(text: str) -> str:
    """Of a normal text: each syllable as its first consonant, sign for sign."""
    return text.translate(_INITIALS)
