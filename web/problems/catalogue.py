"""Every kind of problem the API can answer with: slug, status, and its words in Korean and English.

The slug is the stable part: ``/problems/<slug>`` is the `type` of RFC 9457. `detail` is a format string; its
placeholders are filled by whoever raises (`web.problems.answer.ProblemError`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Language(StrEnum):
    """The languages we speak."""

    KO = "ko"
    EN = "en"


@dataclass(frozen=True, slots=True)
class Words:
    """One text in both languages."""

    ko: str
    en: str

    def text(self, language: Language) -> str:
        """The text in a language."""
        return self.ko if language is Language.KO else self.en


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem."""

    slug: str
    status: int
    title: Words
    detail: Words
    """The sentence in an answer."""
    advice: Words
    """What to do about it, for the page."""

    @property
    def uri(self) -> str:
        """The `type` of RFC 9457."""
        return f"/problems/{self.slug}"


def _kind(
    slug: str, status: int, title: tuple[str, str], detail: tuple[str, str], advice: tuple[str, str]
) -> Kind:
    return Kind(slug, status, Words(*title), Words(*detail), Words(*advice))


BAD_JSON = _kind(
    "bad-json",
    400,
    ("JSON을 읽을 수 없습니다", "The JSON cannot be read"),
    ("보낸 본문이 {position}에서 올바른 JSON이 아닙니다.", "The body stops being JSON at {position}."),
    (
        "본문은 UTF-8로 쓴 JSON 하나여야 합니다. 알려 드린 줄과 칸을 살펴보세요.",
        "The body must be one JSON text in UTF-8. Look at the line and column that the answer names.",
    ),
)
UNKNOWN_FIELD = _kind(
    "unknown-field",
    422,
    ("모르는 항목입니다", "There is no such field"),
    ("‘{field}’ 항목은 없습니다.", "There is no field ‘{field}’ here."),
    (
        "이름을 잘못 썼는지 살펴보세요. 모르는 항목은 조용히 버리지 않고 되돌려 보냅니다. 모든 항목은 API 문서에 있습니다.",
        "Check the spelling. A field we do not know is sent back, never dropped in silence. All are in the API's document.",
    ),
)
INVALID_FIELD = _kind(
    "invalid-field",
    422,
    ("쓸 수 없는 값입니다", "The value cannot be used"),
    ("‘{field}’: {fault}", "‘{field}’: {fault}"),
    (
        "알려 드린 항목의 값을 고쳐서 다시 보내 주세요.",
        "Correct the value of the field that the answer names and send it again.",
    ),
)
INVALID = _kind(
    "invalid",
    422,
    ("요청한 대로 할 수 없습니다", "This cannot be done as asked"),
    ("요청한 값으로는 할 수 없습니다. ({reason})", "This cannot be done with these values: {reason}"),
    ("‘reason’에 적힌 까닭을 보고 값을 고쳐 주세요.", "Read ‘reason’ and correct the values."),
)
UNAUTHENTICATED = _kind(
    "unauthenticated",
    401,
    ("로그인이 필요합니다", "Please log in"),
    (
        "이 일을 하려면 로그인하거나 유효한 토큰을 보내야 합니다.",
        "This needs a log-in or a valid token.",
    ),
    (
        "‘Authorization: Bearer <토큰>’ 머리글을 보내거나 로그인하세요. 토큰은 관리자가 만들어 줍니다.",
        "Send ‘Authorization: Bearer <token>’, or log in. An administrator makes tokens.",
    ),
)
FORGED = _kind(
    "forged-webhook",
    401,
    ("쇼핑몰이 보낸 알림이 아닙니다", "The webhook is not the shop's"),
    (
        "서명이 맞지 않거나 보낸 지 오래된 알림이라 받지 않았습니다.",
        "It was not taken: its signature is wrong, or it was sent too long ago.",
    ),
    (
        "쇼핑몰과 여기에 같은 비밀 키가 설정되어 있는지, 두 서버의 시계가 맞는지 살펴보세요. 쇼핑몰 설정은 ‘bridge.shops’에 있습니다.",
        "See that the shop and this server have the same secret (the setting ‘bridge.shops’), and that both clocks are right.",
    ),
)
FORBIDDEN = _kind(
    "forbidden",
    403,
    ("권한이 없습니다", "You may not do this"),
    ("이 일에는 ‘{role}’ 권한이 필요합니다.", "This needs the role ‘{role}’."),
    (
        "관리자에게 더 높은 권한을 부탁하세요.",
        "Ask an administrator for a higher role.",
    ),
)
WRONG_LOGIN = _kind(
    "wrong-login",
    401,
    ("로그인하지 못했습니다", "The log-in did not work"),
    (
        "아이디나 비밀번호가 맞지 않습니다. 다시 입력해 주세요. 잊으셨다면 관리자에게 새 비밀번호를 부탁하세요.",
        "The login or the password is wrong. Please enter them again. If you forgot them, ask an administrator for a new password.",
    ),
    (
        "한/영 전환과 Caps Lock을 살펴보세요. 사용이 중지된 계정도 이렇게 답합니다. 여러 번 틀리면 기다리는 시간이 길어집니다.",
        "Check the keyboard's language and Caps Lock. A disabled account is answered like this too. After several failures the waits grow.",
    ),
)
TRIES = _kind(
    "too-many-tries",
    429,
    ("로그인을 너무 여러 번 틀렸습니다", "Too many failed log-ins"),
    (
        "{seconds}초 뒤에 다시 시도해 주세요. 비밀번호를 잊으셨다면 관리자에게 새 비밀번호를 부탁하세요.",
        "Please try again in {seconds} s. If you forgot the password, ask an administrator for a new one.",
    ),
    (
        "틀릴 때마다 기다리는 시간이 15분까지 길어집니다. 기다리는 동안의 시도는 세지 않습니다.",
        "Each failure makes the wait longer, up to 15 minutes. Tries while waiting are not counted.",
    ),
)
CROSS_SITE = _kind(
    "cross-site",
    403,
    ("다른 사이트에서 온 요청입니다", "The request came from another site"),
    (
        "로그인 쿠키로는 이 사이트의 페이지에서만 바꿀 수 있습니다.",
        "With the log-in cookie, changes can be made from this site's own pages only.",
    ),
    (
        "프로그램에서 부를 때는 쿠키 대신 ‘Authorization’ 머리글을 쓰세요.",
        "Programs use the ‘Authorization’ header instead of the cookie.",
    ),
)
NOT_FOUND = _kind(
    "not-found",
    404,
    ("찾을 수 없습니다", "Not found"),
    ("요청한 것이 여기에 없습니다.", "What you asked for is not here."),
    (
        "주소를 살펴보세요. 지워졌거나 아직 시작하지 않았을 수 있습니다.",
        "Check the address. It may have been deleted, or not have begun yet.",
    ),
)
NO_LINK = _kind(
    "no-link",
    404,
    ("지금은 살 수 없는 상품입니다", "This cannot be bought now"),
    ("이 링크로 살 수 있는 상품이 없습니다.", "This link leads to nothing that is sold."),
    (
        "주소가 잘리지 않았는지 살펴보세요. 방송 화면의 상품 목록에서 다시 누르면 지금 살 수 있는 상품이 나옵니다.",
        "See that the address is not cut short. The list of products beside the show tells what can be bought now.",
    ),
)
METHOD = _kind(
    "method-not-allowed",
    405,
    ("이 주소에서는 할 수 없는 방식입니다", "This method is not for this address"),
    ("이 주소는 {allowed} 방식만 받습니다.", "This address takes {allowed} only."),
    ("API 문서에서 방식을 살펴보세요.", "The API's document names the methods of each address."),
)
CONFLICT = _kind(
    "conflict",
    409,
    ("지금 상태에서는 할 수 없습니다", "Not in the present state"),
    ("지금 상태에서는 할 수 없습니다. ({reason})", "The present state does not allow this: {reason}"),
    (
        "이름이 이미 쓰이고 있거나, 먼저 멈춰야 할 수 있습니다. ‘reason’을 보세요.",
        "The name may be taken, or something must be stopped first. Read ‘reason’.",
    ),
)
CAPACITY = _kind(
    "no-capacity",
    409,
    ("이 컴퓨터에 자리가 없습니다", "The machine has no room for it"),
    (
        (
            "채널에 쓸 수 있는 {limit}코어(전체 {cores}) 가운데 {taken}코어를 쓰고 있습니다 {used}. 이 채널은 {needs}코어가 필요한데 "
            "{left}코어가 남았습니다. {fits}"
        ),
        "Channels may take {limit} of {cores} cores and take {taken} {used}. This one needs {needs}, and {left} is left. {fits}",
    ),
    (
        (
            "화질 단계를 줄이거나, 더 빠른 preset을 쓰거나, 다른 채널을 멈추세요. ‘?force=true’로 그래도 시작할 수 있지만, 모든 채널이 "
            "느려질 수 있습니다. 그때는 채널의 ‘speed’가 1보다 작아집니다."
        ),
        (
            "Take a rung off, use a faster preset, or stop another channel. ‘?force=true’ starts it all the same, at the risk of all "
            "channels: ‘speed’ of a channel is below 1 when it is too slow."
        ),
    ),
)
NO_PICTURE = _kind(
    "no-picture",
    404,
    ("지금은 그림이 없습니다", "There is no picture now"),
    ("이 입력에는 지금 보여 줄 그림이 없습니다. ({reason})", "The feed has no picture to show now: {reason}"),
    (
        "입력이 들어오고 영상이 있어야 그림이 나옵니다. 입력의 ‘state’와 ‘video_codec’을 보세요.",
        "A picture is made of a feed that is live and has video: see its ‘state’ and ‘video_codec’.",
    ),
)
STARTING = _kind(
    "starting",
    503,
    ("채널을 시작하고 있습니다", "The channel is starting"),
    (
        "보는 사람이 없어 쉬고 있던 채널을 시작하고 있습니다. 몇 초 뒤에 재생됩니다.",
        "The channel rested while nobody watched and is being started. It plays in a few seconds.",
    ),
    (
        "‘Retry-After’만큼 기다린 뒤에 다시 요청하세요.",
        "Ask again after ‘Retry-After’.",
    ),
)
STALE = _kind(
    "stale",
    412,
    ("그사이 다른 사람이 바꾸었습니다", "Somebody else changed it meanwhile"),
    (
        "불러온 뒤에 바뀌었습니다. 다시 불러와서 고쳐 주세요.",
        "It was changed after you read it. Read it again and repeat your change.",
    ),
    (
        "‘If-Match’에 보낸 판이 지금 것과 다릅니다. GET으로 다시 읽고 새 ETag로 보내 주세요.",
        "The version in ‘If-Match’ is not the present one. GET it again and send the new ETag.",
    ),
)
TOO_LARGE = _kind(
    "too-large",
    413,
    ("본문이 너무 큽니다", "The body is too large"),
    ("본문은 {limit}바이트까지 받습니다.", "A body may have {limit} bytes at most."),
    ("나누어 보내거나 줄여 주세요.", "Split it, or send less."),
)
MEDIA_TYPE = _kind(
    "unsupported-media-type",
    415,
    ("JSON만 받습니다", "JSON only"),
    ("본문은 ‘application/json’이어야 합니다.", "The body must be ‘application/json’."),
    ("‘Content-Type: application/json’ 머리글을 보내세요.", "Send ‘Content-Type: application/json’."),
)
RANGE = _kind(
    "range-not-satisfiable",
    416,
    ("없는 구간입니다", "No such range"),
    ("요청한 바이트 구간이 파일 밖에 있습니다.", "The bytes asked for lie outside of the file."),
    ("‘Content-Range’의 크기를 보고 다시 요청하세요.", "Look at the size in ‘Content-Range’ and ask again."),
)
TOO_MANY = _kind(
    "too-many-requests",
    429,
    ("요청이 너무 잦습니다", "Too many requests"),
    ("{seconds}초 뒤에 다시 시도해 주세요.", "Please try again in {seconds} s."),
    (
        "‘Retry-After’만큼 기다린 뒤에 다시 보내세요. 한도는 토큰마다, 토큰이 없으면 주소마다 셉니다.",
        "Wait as long as ‘Retry-After’ says. The limit counts for each token, or each address without one.",
    ),
)
PLAYLIST = _kind(
    "bad-playlist-request",
    400,
    ("재생목록 요청이 잘못되었습니다", "The playlist request is wrong"),
    (
        "‘_HLS_msn’이나 ‘_HLS_part’ 값이 있을 수 없는 값입니다.",
        "The value of ‘_HLS_msn’ or ‘_HLS_part’ is malformed or impossible.",
    ),
    (
        "재생목록을 매개변수 없이 다시 받아 최신 번호를 확인하세요.",
        "Load the playlist without these parameters to learn the newest numbers.",
    ),
)
NOT_READY = _kind(
    "not-ready",
    404,
    ("아직 준비되지 않았습니다", "Not ready yet"),
    (
        "아직 만들고 있습니다. 잠시 뒤에 다시 시도해 주세요.",
        "It is still being made. Please try again in a moment.",
    ),
    ("작업의 진행률은 /api/v1/jobs/{id}에서 볼 수 있습니다.", "/api/v1/jobs/{id} tells how far it is."),
)
INTERNAL = _kind(
    "internal",
    500,
    ("저희 쪽 문제입니다", "Our fault"),
    ("저희 쪽에서 문제가 생겼습니다. 기록해 두었습니다.", "Something went wrong on our side. It was logged."),
    ("잠시 뒤에 다시 시도해 주세요.", "Please try again in a moment."),
)
UNAVAILABLE = _kind(
    "unavailable",
    503,
    ("지금은 답할 수 없습니다", "Not available right now"),
    (
        "이 일을 맡은 서버가 지금 답하지 않습니다. 곧 다시 시도해 주세요.",
        "The part of the server that does this does not answer now. Please try again soon.",
    ),
    (
        "다시 시작하는 중일 수 있습니다. 몇 초 뒤에 다시 시도해 주세요.",
        "It may be restarting. Try again in a few seconds.",
    ),
)

UPGRADE = _kind(
    "upgrade-required",
    426,
    ("WebSocket 주소입니다", "This is a WebSocket"),
    ("이 주소는 WebSocket으로만 답합니다.", "This address answers WebSockets alone."),
    (
        "프록시가 앞에 있다면 ‘Upgrade’와 ‘Connection’ 머리글을 넘겨주는지 살펴보세요.",
        "If a proxy stands in between, see that it passes the headers ‘Upgrade’ and ‘Connection’ on.",
    ),
)
FULL = _kind(
    "full",
    503,
    ("자리가 없습니다", "No room left"),
    (
        "지금은 더 연결할 수 없습니다. 잠시 뒤에 다시 시도해 주세요.",
        "No more connections can be taken now. Please try again in a moment.",
    ),
    (
        "연결은 ‘realtime.max_clients’, 송출은 ‘ingest.webrtc_sessions’를 올리거나 web 프로세스를 늘리세요.",
        "Raise ‘realtime.max_clients’ (pages) or ‘ingest.webrtc_sessions’ (senders), or run more web processes.",
    ),
)

WRONG_KEY = _kind(
    "wrong-stream-key",
    401,
    ("송출 키가 맞지 않습니다", "The stream key is wrong"),
    ("이 피드로 보내려면 피드의 송출 키가 필요합니다.", "Publishing to this feed needs its stream key."),
    (
        "‘Authorization: Bearer <송출 키>’ 머리글로 보내세요. 키는 피드를 만들 때 한 번만 보이고, 잃어버렸다면 새로 만들 수 있습니다.",
        "Send ‘Authorization: Bearer <stream key>’. A key is shown once, when its feed is made; a lost one can be made anew.",
    ),
)
BAD_SDP = _kind(
    "bad-sdp",
    400,
    ("SDP를 읽을 수 없습니다", "The SDP cannot be read"),
    ("보낸 SDP가 올바르지 않습니다. ({reason})", "The session description is malformed: {reason}"),
    (
        "인코더나 브라우저가 만든 SDP를 고치지 말고 그대로 보내세요.",
        "Send the session description as the encoder or browser made it.",
    ),
)
NOT_SDP = _kind(
    "unsupported-sdp-type",
    415,
    ("SDP만 받습니다", "SDP only"),
    ("본문은 ‘{wanted}’이어야 합니다.", "The body must be ‘{wanted}’."),
    ("‘Content-Type’ 머리글을 살펴보세요.", "Look at the header ‘Content-Type’."),
)

KINDS: dict[str, Kind] = {
    kind.slug: kind
    for kind in (
        BAD_JSON,
        UNKNOWN_FIELD,
        INVALID_FIELD,
        INVALID,
        UNAUTHENTICATED,
        FORGED,
        FORBIDDEN,
        WRONG_LOGIN,
        TRIES,
        CROSS_SITE,
        NOT_FOUND,
        NO_LINK,
        METHOD,
        CONFLICT,
        CAPACITY,
        NO_PICTURE,
        STARTING,
        STALE,
        TOO_LARGE,
        MEDIA_TYPE,
        RANGE,
        TOO_MANY,
        PLAYLIST,
        NOT_READY,
        INTERNAL,
        UNAVAILABLE,
        WRONG_KEY,
        BAD_SDP,
        NOT_SDP,
        UPGRADE,
        FULL,
    )
}
"""All kinds by slug."""
