"""What the slate says to viewers, in Korean and English."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Message(StrEnum):
    """Keys of the catalogue."""

    SOON = "soon"
    TROUBLE = "trouble"
    SOUND_ONLY = "sound_only"
    BREAK = "break"


@dataclass(frozen=True, slots=True)
class Wording:
    """One message: a headline and a line of comfort, in both languages."""

    korean: str
    korean_more: str
    english: str
    english_more: str


CATALOGUE: dict[Message, Wording] = {
    Message.SOON: Wording("곧 시작합니다", "잠시만 기다려 주세요", "Starting soon", "Please stay with us"),
    Message.TROUBLE: Wording(
        "화면을 다시 연결하고 있습니다",
        "방송은 곧 이어집니다. 새로고침하지 않으셔도 됩니다",
        "Reconnecting the picture",
        "The show goes on in a moment. No need to reload",
    ),
    Message.SOUND_ONLY: Wording(
        "지금은 소리만 나옵니다", "화면은 곧 이어집니다", "Sound only for now", "The picture will be back"
    ),
    Message.BREAK: Wording(
        "쉬는 시간입니다", "다음 방송에서 만나요", "We are on a break", "See you at the next show"
    ),
}
