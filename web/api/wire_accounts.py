"""What goes over the wire of users, sessions, tokens and the audit log; as `web.api.wire`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from web.api.wire import PageQuery, Time, Wire
from web.auth.accounts import LOGIN, LONGEST, SHORTEST
from web.auth.roles import Role

Login = Annotated[
    str,
    Field(
        pattern=f"^{LOGIN}$", description="An e-mail address or a short name.", examples=["host@example.com"]
    ),
]
NewPassword = Annotated[
    str, Field(min_length=SHORTEST, max_length=LONGEST, json_schema_extra={"writeOnly": True})
]
OldPassword = Annotated[str, Field(min_length=1, max_length=LONGEST, json_schema_extra={"writeOnly": True})]
Person = Annotated[str, Field(min_length=1, max_length=120)]

# --- users -----------------------------------------------------------------------------------------------------------


class UserCreate(Wire):
    """A new user."""

    login: Login
    name: Person | None = Field(default=None, description="What others see; null takes the login.")
    role: Role
    password: NewPassword


class UserPatch(Wire):
    """Changes of a user; what is left out stays. A change of the role, or `disabled`, ends the user's sessions."""

    login: Login | None = None
    name: Person | None = None
    role: Role | None = None
    disabled: bool | None = None


class User(Wire):
    """A user. Never carries the password."""

    id: str
    login: str
    name: str
    role: Role
    disabled: bool = Field(description="May not log in, and the tokens are refused.")
    created: Time
    changed: Time
    version: int = Field(description="Rises with each change; the ETag.")


class UserPage(Wire):
    """Users by login."""

    items: list[User]
    next: str | None


class PasswordSet(Wire):
    """A user's new password."""

    password: NewPassword


# --- the caller's own session ----------------------------------------------------------------------------------------


class Session(Wire):
    """Who the caller is."""

    role: Role | None = Field(description="Null without a log-in or token.")
    name: str
    user: str | None = Field(description="The user's id; null for a guest, and for a token of nobody.")
    login: str = Field(description="What the user logs in with; empty for a guest, and for a token.")


class SessionCreate(Wire):
    """Log in with login and password, or with a token; the answer sets a cookie."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["login", "password"]}, {"required": ["token"]}]}
    )

    login: str | None = Field(default=None, min_length=1, max_length=100)
    password: OldPassword | None = None
    token: str | None = Field(default=None, min_length=1, max_length=200)


class SessionEnd(Wire):
    """Query of a log-out."""

    everywhere: bool = Field(default=False, description="Log out on all other devices too.")


class PasswordChange(Wire):
    """The caller's own new password."""

    old: OldPassword
    new: NewPassword


# --- tokens ----------------------------------------------------------------------------------------------------------


class TokenCreate(Wire):
    """A new API token."""

    name: str = Field(min_length=1, max_length=120, description="Whom or what it is for.")
    role: Role
    expires: Time | None = None


class Token(Wire):
    """An API token; its text is not kept."""

    id: str
    name: str
    role: Role = Field(description="It never does more than the user it belongs to.")
    user: str | None = Field(
        description="The user it belongs to; null where an administrator's token made it."
    )
    created: Time
    expires: Time | None
    used: Time | None = Field(description="Last used, to the minute.")


class TokenCreated(Token):
    """A new token with its text: the only time it is shown."""

    token: str


class TokenPage(Wire):
    """Tokens, oldest first."""

    items: list[Token]
    next: str | None


# --- audit -----------------------------------------------------------------------------------------------------------


class AuditQuery(PageQuery):
    """Which lines of the audit log."""

    actor: str = Field(
        default="", max_length=40, description="Id of a user or token; of a user its tokens' lines too."
    )
    operation: str = Field(default="", max_length=64, description="`operationId` of this document.")
    object: str = Field(default="", max_length=200, description="Id of what was acted on.")
    since: Time | None = None
    until: Time | None = None


class AuditLine(Wire):
    """Who did what, and how it ended."""

    id: str
    at: Time
    kind: str = Field(
        description="`user`, `token`, `settings` (the administrator's token there), `command` (`gachi user`) or `nobody`."
    )
    actor: str = Field(description="Id of the user or token.")
    name: str
    role: Role | None
    user: str | None = Field(description="The user behind it: itself, or who owns the token.")
    address: str
    method: str
    operation: str
    object: str = Field(description="Id of what was acted on.")
    status: int | None = Field(description="HTTP status; null while it runs, or where the end is not known.")
    problem: str | None = Field(description="Slug of the problem, where it was refused or failed.")
    changed: dict[str, Any] = Field(
        description="Fields that were given; texts that may hold a secret are left out."
    )


class AuditPage(Wire):
    """Newest first."""

    items: list[AuditLine]
    next: str | None
