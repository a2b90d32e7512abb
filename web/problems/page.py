"""``/problems/<slug>``: the page for people that a problem's `type` leads to."""

from __future__ import annotations

from html import escape

from web.problems.catalogue import KINDS, Kind, Language

STYLE = (
    "body{font:16px/1.6 Pretendard,system-ui,sans-serif;word-break:keep-all;max-width:42rem;margin:4rem auto;"
    "padding:0 1.25rem;color:#17181c;background:#fff}code{background:#f0f1f4;padding:.1em .35em;border-radius:4px}"
    "h1{font-size:1.6rem;line-height:1.3}a{color:#c2253d}.s{color:#5b606b}"
    "@media(prefers-color-scheme:dark){body{color:#eceef2;background:#131418}code{background:#24262c}"
    "a{color:#ff7a8c}.s{color:#a3a9b5}}"
)
"""Small enough to be inline: these pages must show even when nothing else of the front end was built."""


def page(kind: Kind, language: Language) -> str:
    """The page of one kind, whole."""
    other = Language.EN if language is Language.KO else Language.KO
    parts = [
        _section(kind, language, level="h1"),
        "<hr>",
        _section(kind, other, level="h2"),
        '<p><a href="/api/docs">API</a></p>',
    ]
    return document(kind.title.text(language), language, "".join(parts))


def index(language: Language) -> str:
    """The list of all kinds."""
    items = "".join(
        f'<li><a href="{kind.uri}">{escape(kind.title.text(language))}</a> '
        f'<span class="s">{kind.status} {kind.slug}</span></li>'
        for kind in KINDS.values()
    )
    return document("Problems", language, f"<h1>Problems</h1><ul>{items}</ul>")


def document(title: str, language: Language, body: str) -> str:
    """A whole HTML document around `body` (HTML)."""
    return (
        f'<!doctype html><html lang="{language.value}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body>{body}</body></html>"
    )


def _section(kind: Kind, language: Language, level: str) -> str:
    return (
        f'<section lang="{language.value}"><{level}>{escape(kind.title.text(language))}</{level}>'
        f'<p class="s"><code>{kind.status}</code> <code>{kind.uri}</code></p>'
        f"<p>{escape(kind.advice.text(language))}</p></section>"
    )
