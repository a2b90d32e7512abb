from __future__ import annotations

import pytest
from multidict import CIMultiDict

from commerce_bridge.links.fetchers import is_program

PEOPLE = [
    "Mozilla/5.0 (Linux; Android 14; SM-S918N) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
    # within the apps whose previews are programs
    "Mozilla/5.0 (Linux; Android 14; SM-A546S; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/126.0.0.0 Mobile Safari/537.36;KAKAOTALK 2410850",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 NAVER(inapp; search; 2000; 12.6.1; 15PRO)",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [FBAN/FBIOS;FBAV/466.0.0.33.112]",
    "Mozilla/5.0 (Linux; Android 13; SM-G991N; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/125.0.0.0 Mobile Safari/537.36 Instagram 334.0.0.42.95 Android",
    "Mozilla/5.0 (Linux; Android 13; SM-G991N; wv) AppleWebKit/537.36 Version/4.0 Chrome/125.0.0.0 Mobile Safari/537.36 Line/14.9.0/IAB",
    "Mozilla/5.0 (Linux; Android 9; CUBOT X19) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Whale/3.27.254.15 Safari/537.36",
]
PROGRAMS = [
    "facebookexternalhit/1.1; kakaotalk-scrap/1.0; +https://devtalk.kakao.com/t/scrap/33984",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "facebookexternalhit/1.1;line-poker/1.0",
    "Twitterbot/1.0",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "TelegramBot (like TwitterBot)",
    "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
    "WhatsApp/2.23.20.0",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 Chrome/126.0.0.0 Mobile Safari/537.36 (compatible; GoogleOther)",
    "Mozilla/5.0 (compatible; Yeti/1.1; +https://naver.me/spd)",
    "Mozilla/5.0 (compatible; Daum/4.1; +http://cs.daum.net/faq/15/4118.html)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.1; +https://openai.com/gptbot)",
    "curl/8.5.0",
    "Wget/1.21",
    "python-requests/2.32.3",
    "Python/3.11 aiohttp/3.14.0",
    "Go-http-client/2.0",
    "okhttp/4.12.0",
    "",
    "   ",
]


def headers(agent: str, **more: str) -> CIMultiDict[str]:
    return CIMultiDict(
        {"user-agent": agent, **{name.replace("_", "-"): value for name, value in more.items()}}
    )


@pytest.mark.parametrize("agent", PEOPLE)
def test_people(agent: str) -> None:
    assert not is_program("GET", headers(agent))
    assert not is_program("GET", headers(agent, sec_purpose="navigate", purpose=""))


@pytest.mark.parametrize("agent", PROGRAMS)
def test_programs(agent: str) -> None:
    assert is_program("GET", headers(agent))


@pytest.mark.parametrize(
    "ahead",
    [
        {"sec_purpose": "prefetch"},
        {"sec_purpose": "prefetch;prerender"},
        {"purpose": "prefetch"},
        {"x_purpose": "preview"},
        {"x_moz": "prefetch"},
    ],
)
def test_what_a_browser_fetches_ahead_is_no_click(ahead: dict[str, str]) -> None:
    assert is_program("GET", headers(PEOPLE[0], **ahead))


def test_a_head_is_no_click() -> None:
    assert is_program("HEAD", headers(PEOPLE[0]))
    assert is_program("GET", {})
