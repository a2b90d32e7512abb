"""``/api/openapi.json`` and ``/api/docs``: the document, and a page that renders it without anything from elsewhere."""

from __future__ import annotations

import json
import re
from html import escape
from typing import Any

from aiohttp import web

from web.api.openapi import document
from web.pages import security_headers
from web.problems.page import STYLE

_MORE = (
    "details{border:1px solid #8884;border-radius:8px;margin:.4rem 0;padding:.5rem .75rem}summary{cursor:pointer}"
    "b.m{display:inline-block;min-width:5em;font-variant-numeric:tabular-nums}pre{overflow:auto;font-size:13px}"
    "body{max-width:60rem}table{border-collapse:collapse;font-size:14px}td{padding:.15rem .75rem .15rem 0;vertical-align:top}"
)
_CSP = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors {ancestors}"


def _prose(text: str) -> str:
    """Text of the document, which is CommonMark (OpenAPI 3.1 §4.6), as HTML: of its marks we use code alone."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def render(spec: dict[str, Any]) -> str:
    """The document as one HTML page; no script, so nothing to fetch and nothing to break."""
    parts = [
        (
            f"<h1>{escape(spec['info']['title'])} API</h1><p>{_prose(spec['info']['description'])}</p>"
            '<p><a href="/api/openapi.json">openapi.json</a> · <a href="/problems">problems</a></p>'
        )
    ]
    for tag in spec["tags"]:
        parts.append(f"<h2>{escape(tag['name'])}</h2>")
        for path, operations in spec["paths"].items():
            for method, operation in operations.items():
                if tag["name"] in operation["tags"]:
                    parts.append(_operation(method, path, operation))
    parts.append("<h2>schemas</h2>")
    for name, schema in sorted(spec["components"]["schemas"].items()):
        text = escape(json.dumps(schema, ensure_ascii=False, indent=2))
        parts.append(
            f'<details id="{escape(name)}"><summary>{escape(name)}</summary><pre>{text}</pre></details>'
        )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>API</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{STYLE}{_MORE}</style></head><body>{''.join(parts)}</body></html>"
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(each['name'])}</code></td><td>{each['in']}</td>"
        f"<td>{_prose(each.get('description', ''))}</td></tr>"
        for each in operation["parameters"]
    )
    if body := operation.get("requestBody"):
        rows += f"<tr><td>body</td><td></td><td>{_schema(body['content']['application/json']['schema'])}</td></tr>"
    for status, answer in operation["responses"].items():
        schemas = " ".join(_schema(each.get("schema", {})) for each in answer.get("content", {}).values())
        rows += f"<tr><td>{status}</td><td></td><td>{schemas} {_prose(answer['description'])}</td></tr>"
    return (
        f'<details id="{operation["operationId"]}"><summary><b class="m">{method.upper()}</b> '
        f"<code>{escape(path)}</code> {escape(operation['summary'])}</summary>"
        f"<p>{_prose(operation['description'])}</p><table>{rows}</table></details>"
    )


def _schema(schema: dict[str, Any]) -> str:
    name = schema.get("$ref", "").rpartition("/")[2]
    return f'<a href="#{name}">{name}</a>' if name else ""


def add_to(app: web.Application) -> None:
    """Register both; the document is made once."""
    spec = document()
    text = json.dumps(spec, ensure_ascii=False).encode()
    html = render(spec).encode()

    async def openapi(_: web.Request) -> web.StreamResponse:
        headers = {"Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=300"}
        return web.Response(body=text, content_type="application/json", headers=headers)

    async def docs(_: web.Request) -> web.StreamResponse:
        headers = {**security_headers(csp=_CSP), "Cache-Control": "public, max-age=300"}
        return web.Response(body=html, content_type="text/html", charset="utf-8", headers=headers)

    app.router.add_get("/api/openapi.json", openapi)
    app.router.add_get("/api/docs", docs)
