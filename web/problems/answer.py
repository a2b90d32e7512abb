"""From an error to the RFC 9457 answer, in the caller's language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from runtime.bus.contract import CommandError, Fault
from web.api.wire import FieldFault, ProblemBody
from web.problems import catalogue
from web.problems.catalogue import Kind, Language, Words
from web.problems.faults import fault_words

MAX_ERRORS = 20
"""Faults told of one body; whoever sends more than that needs the document, not the rest of the list."""


class ProblemError(Exception):
    """A refusal. `words` fill the kind's sentence; what is in `words` under the name of a body field goes there too."""

    def __init__(
        self,
        kind: Kind,
        *,
        field: str | None = None,
        errors: Sequence[tuple[str, str, Mapping[str, object]]] = (),
        headers: Mapping[str, str] | None = None,
        **words: str | int | Words,
    ) -> None:
        super().__init__(kind.slug)
        self.kind = kind
        self.field = field
        self.errors = tuple(errors)
        """Field, pydantic error type and its context, for each value at fault."""
        self.headers = dict(headers or {})
        self.words = words

    def body(self, path: str, language: Language) -> ProblemBody:
        """The problem details for one caller."""
        faults = [
            FieldFault(field=field, detail=fault_words(kind, dict(context), language))
            for field, kind, context in self.errors
        ]
        said = {
            name: each.text(language) if isinstance(each, Words) else each
            for name, each in self.words.items()
        }
        words = {"field": self.field or "", "fault": faults[0].detail if faults else "", **said}
        reason, position, retry = (said.get(name) for name in ("reason", "position", "seconds"))
        return ProblemBody(
            type=self.kind.uri,
            title=self.kind.title.text(language),
            status=self.kind.status,
            detail=self.kind.detail.text(language).format_map(words),
            instance=path,
            field=self.field,
            errors=faults if len(faults) > 1 else None,
            reason=None if reason is None else str(reason),
            position=None if position is None else str(position),
            retry_after=None if retry is None else int(retry),
        )

    def response(self, request: web.BaseRequest) -> web.Response:
        """The answer itself."""
        language = language_of(request.headers.get("Accept-Language", ""))
        text = self.body(request.path, language).model_dump_json(exclude_none=True)
        headers = {
            "Content-Language": language.value,
            "Vary": "Accept-Language",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            **self.headers,
        }
        return web.Response(
            body=text.encode(),
            status=self.kind.status,
            content_type="application/problem+json",
            headers=headers,
        )


def language_of(header: str) -> Language:
    """The language to answer in (RFC 9110 §12.5.4): Korean where it is wanted at least as much as English.

    Without a preference it is English: programs send none, browsers in Korea do.
    """
    best = {Language.KO: 0.0, Language.EN: 0.0}
    for item in header.split(",")[:20]:
        tag, _, parameters = item.strip().partition(";")
        primary = tag.strip().lower().partition("-")[0]
        if primary not in {"ko", "en"}:
            continue
        try:
            quality = float(parameters.strip().removeprefix("q=")) if parameters.strip() else 1.0
        except ValueError:
            continue
        language = Language(primary)
        best[language] = max(best[language], quality)
    return Language.KO if best[Language.KO] > 0 and best[Language.KO] >= best[Language.EN] else Language.EN


def from_validation(error: ValidationError, prefix: str = "") -> ProblemError:
    """The problem of a body or query that does not fit its model. An unknown field is told before a wrong value."""
    found: list[tuple[str, str, Mapping[str, object]]] = []
    unknown: str | None = None
    for each in error.errors(include_url=False, include_input=False)[:MAX_ERRORS]:
        # Without a place it is the whole that does not fit: an array where an object is wanted.
        field = (prefix + ".".join(str(part) for part in each["loc"])) or "body"
        context: dict[str, Any] = dict(each.get("ctx") or {})
        if each["type"] == "extra_forbidden" and unknown is None:
            unknown = field
        found.append((field, each["type"], context))
    if unknown is not None:
        return ProblemError(catalogue.UNKNOWN_FIELD, field=unknown)
    return ProblemError(catalogue.INVALID_FIELD, field=found[0][0], errors=found)


_FAULT_KINDS: dict[Fault, Kind] = {
    Fault.INVALID: catalogue.INVALID,
    Fault.NOT_FOUND: catalogue.NOT_FOUND,
    Fault.CONFLICT: catalogue.CONFLICT,
    Fault.UNAVAILABLE: catalogue.UNAVAILABLE,
    Fault.INTERNAL: catalogue.INTERNAL,
}


def from_command(error: CommandError) -> ProblemError:
    """The problem of a command that its owner refused. What an internal fault says stays in the logs."""
    kind = _FAULT_KINDS[error.fault]
    if kind is catalogue.INTERNAL:
        return ProblemError(kind)
    headers = {"Retry-After": "1"} if kind is catalogue.UNAVAILABLE else {}
    return ProblemError(kind, field=error.field, headers=headers, reason=str(error))
