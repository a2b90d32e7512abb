"""The OpenAPI 3.1 document, made of the route table and the wire models. ``python -m web.api.openapi`` prints it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from typing import Any

from pydantic.json_schema import JsonSchemaMode, models_json_schema

from web.api.routing import PREFIX, Route
from web.api.table import ROUTES
from web.api.wire import ProblemBody, Wire
from web.problems import catalogue
from web.problems.catalogue import Kind

VERSION = "1.0.0"
_VARIABLE = re.compile(r"\{(\w+)\}")
_REF = "#/components/schemas/{model}"


def document(routes: Sequence[Route] = ROUTES) -> dict[str, Any]:
    """The whole document as JSON values."""
    models: dict[tuple[type[Wire], JsonSchemaMode], None] = {(ProblemBody, "serialization"): None}
    for route in routes:
        if route.body:
            models[route.body, "validation"] = None
        if route.response:
            models[route.response, "serialization"] = None
    references, definitions = models_json_schema(list(models), ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(PREFIX + route.path, {})[route.method.lower()] = _operation(route, references)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Gachi Live",
            "version": VERSION,
            "description": "Channels, feeds, shows and recordings of a live commerce broadcast. "
            "Errors are RFC 9457 problem details; their `type` leads to a page for people. "
            "`ETag` names the version of what can be changed: send it as `If-Match` to change only what you have seen.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "gachi_session"},
            },
        },
        "tags": [{"name": name} for name in dict.fromkeys(route.tag for route in routes)],
    }


def _operation(route: Route, references: Any) -> dict[str, Any]:  # noqa: ANN401 - pydantic's own mapping of JSON values
    role = f"Needs role `{route.role.value}`." if route.role else "Needs no token."
    operation: dict[str, Any] = {
        "operationId": route.operation,
        "tags": [route.tag],
        "summary": route.summary,
        "description": " ".join(filter(None, (route.note, role))),
        "parameters": [*_path_parameters(route), *_query_parameters(route), *_header_parameters(route)],
        "responses": {str(route.status): _success(route, references), **_problems(route, references)},
        # An empty requirement: a token may be sent, but need not.
        "security": [{"token": []}, {"session": []}, *([] if route.role else [{}])],
    }
    if route.role:
        operation["x-role"] = route.role.value
    if route.body:
        schema = references[route.body, "validation"]
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _VARIABLE.findall(route.path)
    ]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    schema = route.query.model_json_schema(ref_template=_REF)
    inner = schema.get("$defs", {})
    parameters = []
    for name, value in schema["properties"].items():
        described = {key: each for key, each in value.items() if key != "title"}
        text = json.dumps(described)
        # Query enums are few and small: put in place, so that the document needs no component for each.
        for model, definition in inner.items():
            reference = json.dumps({"$ref": _REF.format(model=model)})
            text = text.replace(reference, json.dumps(definition))
        schema_in_place = json.loads(text)
        parameter = {"name": name, "in": "query", "required": False, "schema": schema_in_place}
        if "description" in described:
            parameter["description"] = schema_in_place.pop("description")
        parameters.append(parameter)
    return parameters


def _header_parameters(route: Route) -> list[dict[str, Any]]:
    if not (route.versioned and route.method in {"PUT", "PATCH", "DELETE"}):
        return []
    return [
        {
            "name": "If-Match",
            "in": "header",
            "required": False,
            "schema": {"type": "string"},
            "description": "The ETag of what you have seen; without it the change is made in any case.",
        }
    ]


def _success(route: Route, references: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    answer: dict[str, Any] = {"description": route.summary}
    if route.response:
        answer["content"] = {route.media: {"schema": references[route.response, "serialization"]}}
    elif route.media != "application/json":
        answer["content"] = {route.media: {}}
    if route.versioned and route.response:
        answer["headers"] = {"ETag": {"schema": {"type": "string"}}}
    return answer


def kinds_of(route: Route) -> list[Kind]:
    """Every kind of problem a route may answer with."""
    kinds = [catalogue.TOO_MANY, catalogue.INTERNAL, catalogue.UNAVAILABLE, *route.problems]
    # A wrong token is refused everywhere, also where none is needed (RFC 6750 §3.1).
    kinds.append(catalogue.UNAUTHENTICATED)
    if route.role:
        kinds.append(catalogue.FORBIDDEN)
    if route.method not in {"GET", "HEAD"}:
        kinds.append(catalogue.CROSS_SITE)
    if _VARIABLE.search(route.path):
        kinds.append(catalogue.NOT_FOUND)
    if route.body:
        kinds += [catalogue.BAD_JSON, catalogue.TOO_LARGE, catalogue.MEDIA_TYPE, catalogue.INVALID]
    if route.body or route.query:
        kinds += [catalogue.UNKNOWN_FIELD, catalogue.INVALID_FIELD]
    if route.versioned and route.method in {"PUT", "PATCH", "DELETE"}:
        kinds.append(catalogue.STALE)
    return list(dict.fromkeys(kinds))


def _problems(route: Route, references: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    by_status: dict[int, list[Kind]] = {}
    for kind in kinds_of(route):
        by_status.setdefault(kind.status, []).append(kind)
    schema = references[ProblemBody, "serialization"]
    return {
        str(status): {
            "description": "; ".join(f"{kind.title.en} ({kind.uri})" for kind in kinds),
            "content": {"application/problem+json": {"schema": schema}},
        }
        for status, kinds in sorted(by_status.items())
    }


def main() -> None:
    """Print the document."""
    json.dump(document(), sys.stdout, ensure_ascii=False, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
