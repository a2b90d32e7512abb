"""The texts of a row → numbers, flags and times. Strict: what could be read in two ways is refused."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from commerce_bridge.model.errors import InvalidError

_WHOLE = r"(?:[0-9]{1,13}|[0-9]{1,3}(?:,[0-9]{3}){1,4})"
# "12,900", "12,900원", "₩12,900", "KRW 12900", "12900.00 KRW". Of decimals, ".0" and ".00" alone: who writes "12.900" or
# "12.000" may mean thousands.
_WON = re.compile(
    rf"(?:(?:₩|￦|KRW)\s*(?P<after>{_WHOLE})(?:\.00?)?|(?P<before>{_WHOLE})(?:\.00?)?\s*(?:원|KRW)?)",
    re.IGNORECASE,
)
_COUNT = re.compile(rf"(-?{_WHOLE})(?:\.0)?\s*개?")
_BUYABLE = {
    "instock": True, "preorder": True, "backorder": True, "limitedavailability": True,
    "판매중": True, "판매": True, "정상": True, "재고있음": True, "예약판매": True,
    "outofstock": False, "soldout": False, "품절": False, "일시품절": False, "판매중지": False, "판매종료": False,
    "재고없음": False,
}  # fmt: skip
"""What an `availability` says."""
_YES = frozenset(
    {"y", "yes", "o", "1", "t", "true", "예", "네", "가능", "사용", "사용가능", "적용", "무료", "있음"}
)
_NO = frozenset(
    {"n", "no", "x", "0", "f", "false", "-", "아니오", "아니요", "불가", "미사용", "사용불가", "미적용", "유료", "없음"}
)  # fmt: skip
_SEOUL = timezone(timedelta(hours=9))


def won(text: str, *, name: str) -> int:
    """An amount of KRW, 0 or more. Raises `InvalidError`."""
    found = _WON.fullmatch(text.strip())
    if found is None:
        raise InvalidError(f"{text[:60]!r} is no amount of won", field=name)
    return int((found["after"] or found["before"]).replace(",", ""))


def count(text: str, *, name: str) -> int:
    """How many there are; below 0 where a shop oversold. Raises `InvalidError`."""
    text = text.strip()
    if text == "품절":
        return 0
    found = _COUNT.fullmatch(text)
    if found is None:
        raise InvalidError(f"{text[:60]!r} is no number of pieces", field=name)
    return int(found[1].replace(",", ""))


def buyable(text: str, *, name: str) -> bool:
    """Whether an `availability` lets one buy now. Raises `InvalidError`."""
    able = _BUYABLE.get("".join(text.split()).replace("_", "").casefold())
    if able is None:
        raise InvalidError(f"{text[:60]!r} is no availability", field=name)
    return able


def yes(text: str, *, name: str) -> bool:
    """Yes or no. Raises `InvalidError`."""
    word = "".join(text.split()).casefold()
    if word in _YES:
        return True
    if word in _NO:
        return False
    raise InvalidError(f"{text[:60]!r} is neither yes (Y) nor no (N)", field=name)


def window(text: str, *, name: str) -> tuple[int, int]:
    """`2026-03-01T13:00+0900/2026-03-11T15:30+0900` → from and until, Unix microseconds. Raises `InvalidError`.

    A time without a zone is Seoul's; a date alone is its midnight.
    """
    try:
        since, until = (_time(each) for each in text.strip().split("/"))
    except (ValueError, OverflowError) as error:
        raise InvalidError(f"{text[:60]!r} is no pair of ISO 8601 times", field=name) from error
    return since, until


def _time(text: str) -> int:
    time = datetime.fromisoformat(text.strip())
    return round((time if time.tzinfo else time.replace(tzinfo=_SEOUL)).timestamp() * 1_000_000)
