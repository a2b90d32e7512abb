"""Told apart: a person who follows a link, and a program that looks where it leads. Only people's clicks are told.

By what programs say of themselves: whoever lies is counted as a person, which is why clicks are an indication and orders the
truth. The list is short on purpose: what previews links in chats, what indexes pages, and the libraries of scripts.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

NAMES = (
    # previews in chats and feeds, those of Korea first
    "kakaotalk-scrap", "kakaostory-og-reader", "facebookexternalhit", "facebookcatalog", "facebot", "meta-externalagent",
    "twitterbot", "slackbot", "slack-imgproxy", "telegrambot", "discordbot", "whatsapp/", "linkedinbot", "skypeuripreview",
    "bandscrap", "line-poker", "pinterestbot", "redditbot", "mastodon/", "iframely", "embedly",
    # search, archives, and what feeds models
    "googlebot", "adsbot-google", "mediapartners-google", "google-inspectiontool", "googleother", "google-read-aloud",
    "feedfetcher-google", "yeti/", "naverbot", "daumoa", "daum/", "bingbot", "bingpreview", "yandexbot", "baiduspider",
    "applebot", "duckduckbot", "petalbot", "ahrefsbot", "semrushbot", "mj12bot", "dotbot", "gptbot", "oai-searchbot",
    "chatgpt-user", "claudebot", "perplexitybot", "ccbot", "bytespider", "amazonbot", "ia_archiver", "archive.org_bot",
    # programs and libraries
    "curl/", "wget/", "python-", "aiohttp/", "httpx/", "go-http-client", "java/", "apache-httpclient", "okhttp/", "axios/",
    "node-fetch", "undici", "libwww-perl", "lwp::", "php/", "guzzlehttp", "scrapy", "httpie/", "postmanruntime",
    "uptimerobot", "pingdom", "statuscake", "prometheus/", "blackbox-exporter", "k6/", "wrk/",
)  # fmt: skip
"""Parts of user agents, in lower case."""


def is_program(method: str, headers: Mapping[str, str]) -> bool:
    """Whether nobody looks at what comes back: HEAD, a browser that fetches ahead of a click, or a program by its own name.

    `headers` may be asked by name, in any case (`Sec-Purpose`).
    """
    if method == "HEAD":
        return True
    ahead = f"{headers.get('Sec-Purpose', '')} {headers.get('Purpose', '')} {headers.get('X-Purpose', '')} {headers.get('X-Moz', '')}"
    if any(word in ahead.lower() for word in ("prefetch", "prerender", "preview")):
        return True
    return _says_so(headers.get("User-Agent", ""))


@lru_cache(maxsize=512)
def _says_so(agent: str) -> bool:
    """Whether a user agent is a program's, or says nothing. Crowds have few of them."""
    agent = agent.strip().lower()
    return not agent or any(name in agent for name in NAMES)
