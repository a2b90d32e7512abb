"""The front end: Vite's build out of ``web/static``, with the headers that browsers need to trust it."""

from __future__ import annotations

import asyncio
import contextlib
import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import hdrs, web

from web.auth.clients import Proxies
from web.problems import catalogue
from web.problems.answer import ProblemError, language_of
from web.problems.catalogue import KINDS, Language
from web.problems.page import document, index
from web.problems.page import page as problem_page
from web.settings import HttpSettings

STATIC = Path(__file__).parent / "static"
STAFF = ("channels", "viewers", "users", "audit", "account")
"""Rooms of the staff's pages beside the control room; the page's script knows the same."""
PAGES = (
    "/",
    "/live/{channel}",
    "/shows/{show}",
    "/host/{show}",
    "/staff",
    *(f"/staff/{room}" for room in STAFF),
    "/login",
)
EMBED = "/embed/{channel}"
PUBLISH = "/publish/{feed}"
MAX_FILES = 2000
"""Files of one build; a folder with more is no build of ours."""
_HASHED = re.compile(r"(?:^|/)assets/.+[-.][A-Za-z0-9_-]{8,}\.\w+$")
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))

# hls.js plays from blobs and works in a worker made of one; styles of components are set from script by Vite builds.
_CSP = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self'; media-src 'self' blob:; worker-src 'self' blob:; connect-src 'self'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors {ancestors}"
)
_PLAIN_CSP = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"


def security_headers(ancestors: str = "'none'", csp: str = _CSP, *, capture: bool = False) -> dict[str, str]:
    """Headers of every page. `ancestors`: who may frame it (CSP sources); `capture`: whether it may ask for the camera."""
    devices = "(self)" if capture else "()"
    headers = {
        "Content-Security-Policy": csp.format(ancestors=ancestors),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "strict-origin-when-cross-origin",
        "Permissions-Policy": f"camera={devices}, microphone={devices}, geolocation=(), payment=()",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    if ancestors == "'none'":
        headers["X-Frame-Options"] = "DENY"
    return headers


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of the build, read once, with what was compressed beside it."""

    body: bytes
    content_type: str
    encoded: Mapping[str, bytes]
    immutable: bool

    def choose(self, accept: str) -> tuple[bytes, str]:
        """The smallest form the client takes, and its encoding (empty: none)."""
        accepted = {
            item.partition(";")[0].strip()
            for item in accept.lower().split(",")
            if not item.replace(" ", "").endswith((";q=0", ";q=0.0"))
        }
        for encoding, body in self.encoded.items():
            if encoding in accepted:
                return body, encoding
        return self.body, ""


def read_build(folder: Path) -> dict[str, Asset]:
    """All files of a build by their path below `folder`; empty where there is none. Links out of it are not followed."""
    root = folder.resolve()
    if not (root / "index.html").is_file():
        return {}
    found: dict[str, Asset] = {}
    for path in sorted(root.rglob("*"))[:MAX_FILES]:
        if (
            path.suffix in {".br", ".gz", ".map"}
            or not path.is_file()
            or not path.resolve().is_relative_to(root)
        ):
            continue
        name = path.relative_to(root).as_posix()
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        encoded = {
            encoding: beside.read_bytes()
            for encoding, suffix in _ENCODINGS
            if (beside := path.with_name(path.name + suffix)).is_file()
        }
        text = kind.startswith("text/") or kind in {
            "application/javascript",
            "image/svg+xml",
            "application/json",
        }
        found[name] = Asset(
            path.read_bytes(),
            f"{kind}; charset=utf-8" if text else kind,
            encoded,
            _HASHED.search(name) is not None,
        )
    return found


class Pages:
    """The handlers. The build is read once: a new one takes a restart, as a new server does."""

    def __init__(
        self, folder: Path = STATIC, *, frame_ancestors: str = "*", http: HttpSettings | None = None
    ) -> None:
        self.https_port = 0
        """Of this very server; 0 where it serves none."""
        http = http or HttpSettings()
        self._proxied = bool(http.public_url)
        self._proxies = Proxies(http.trusted_proxies)
        self._folder = folder
        self._files: dict[str, Asset] = {}
        self._ancestors = frame_ancestors

    async def load(self) -> None:
        """Read the build."""
        self._files = await asyncio.to_thread(read_build, self._folder)

    def add_to(self, app: web.Application) -> None:
        """Register the pages; what no other route took comes here last."""
        for path in PAGES:
            app.router.add_get(path, self.page)
        app.router.add_get(EMBED, self.embed)
        app.router.add_get(PUBLISH, self.publish)
        app.router.add_get("/problems", self.problems)
        app.router.add_get("/problems/{slug}", self.problem)
        app.router.add_get("/{name:.+}", self.file)
        app.router.add_route("*", "/{name:.+}", self.other)

    async def page(self, request: web.Request) -> web.StreamResponse:
        """The application's one document."""
        return self._index(request, security_headers())

    async def embed(self, request: web.Request) -> web.StreamResponse:
        """The same document, which others may frame."""
        return self._index(request, security_headers(self._ancestors))

    async def publish(self, request: web.Request) -> web.StreamResponse:
        """The same document, which may ask for camera and microphone; by HTTPS, where we serve it. The browser carries the
        fragment, and with it the stream key, over to there (RFC 9110 §10.2.2).
        """
        if self.https_port and not self._proxied:
            client = self._proxies.client(request)
            # Loopback is a secure context by itself, and its certificate would be one more warning.
            if not client.secure and not client.local:
                with contextlib.suppress(ValueError):  # a Host that is none
                    there = request.url.with_scheme("https").with_port(self.https_port)
                    return web.Response(
                        status=307, headers={"Location": str(there), "Cache-Control": "no-store"}
                    )
        return self._index(request, security_headers(capture=True))

    def _index(self, request: web.Request, headers: Mapping[str, str]) -> web.StreamResponse:
        asset = self._files.get("index.html")
        if asset is None:
            return self._not_built(request)
        return _send(request, asset, {**headers, "Cache-Control": "no-cache"}, 200)

    async def file(self, request: web.Request) -> web.StreamResponse:
        """A file of the build, or the page that says that there is nothing here."""
        name = request.match_info["name"]
        asset = self._files.get(name) if name != "index.html" else None
        if asset is None:
            return self.missing(request)
        keep = "public, max-age=31536000, immutable" if asset.immutable else "public, max-age=300"
        headers = {"Cache-Control": keep, "X-Content-Type-Options": "nosniff"}
        return _send(request, asset, headers, 200)

    async def other(self, request: web.Request) -> web.StreamResponse:
        """Another method than GET: what is here cannot be written to, and what is not here is missing first of all."""
        if request.match_info["name"] not in self._files:
            return self.missing(request)
        return ProblemError(catalogue.METHOD, allowed="GET, HEAD", headers={"Allow": "GET, HEAD"}).response(
            request
        )

    def missing(self, request: web.Request) -> web.StreamResponse:
        """404: a page for people, problem details for programs."""
        return friendly(ProblemError(catalogue.NOT_FOUND), request)

    async def problem(self, request: web.Request) -> web.StreamResponse:
        """The page of one kind of problem."""
        kind = KINDS.get(request.match_info["slug"])
        if kind is None:
            return self.missing(request)
        return _html(problem_page(kind, language_of(request.headers.get(hdrs.ACCEPT_LANGUAGE, ""))), 200)

    async def problems(self, request: web.Request) -> web.StreamResponse:
        """All kinds."""
        return _html(index(language_of(request.headers.get(hdrs.ACCEPT_LANGUAGE, ""))), 200)

    def _not_built(self, request: web.Request) -> web.StreamResponse:
        language = language_of(request.headers.get(hdrs.ACCEPT_LANGUAGE, ""))
        if language is Language.KO:
            title, text = "화면이 아직 만들어지지 않았습니다", "아래 명령으로 만든 뒤 서버를 다시 시작하세요."
        else:
            title, text = (
                "The front end was not built",
                "Build it with this command, then restart the server.",
            )
        body = (
            f"<h1>{title}</h1><p>{text}</p><p><code>make run</code> · "
            "<code>cd web/frontend &amp;&amp; npm ci &amp;&amp; npm run build</code></p>"
            '<p><a href="/api/docs">API</a></p>'
        )
        return _html(document(title, language, body), 503)


def friendly(problem: ProblemError, request: web.Request) -> web.StreamResponse:
    """A problem as a page for people, as problem details for programs."""
    if "text/html" not in request.headers.get(hdrs.ACCEPT, ""):
        return problem.response(request)
    language, kind = language_of(request.headers.get(hdrs.ACCEPT_LANGUAGE, "")), problem.kind
    home = "처음으로" if language is Language.KO else "Home"
    body = f"<h1>{kind.title.text(language)}</h1><p>{kind.advice.text(language)}</p><p><a href='/'>{home}</a></p>"
    response = _html(document(kind.title.text(language), language, body), kind.status)
    response.headers.update(problem.headers)
    return response


def _send(request: web.Request, asset: Asset, headers: dict[str, str], status: int) -> web.Response:
    body, encoding = asset.choose(request.headers.get(hdrs.ACCEPT_ENCODING, ""))
    headers = {**headers, "Content-Type": asset.content_type}
    if asset.encoded:
        headers["Vary"] = "Accept-Encoding"
    if encoding:
        headers["Content-Encoding"] = encoding
    return web.Response(body=body, status=status, headers=headers)


def _html(text: str, status: int) -> web.Response:
    headers = {
        **security_headers(csp=_PLAIN_CSP),
        "Cache-Control": "no-store" if status >= 400 else "public, max-age=300",
        "Vary": "Accept-Language",
    }
    return web.Response(
        body=text.encode(), status=status, content_type="text/html", charset="utf-8", headers=headers
    )
