"""``gachi user``: users from the command line, for the first administrator and for a forgotten password.

What is done goes to the database itself, so it works with the product stopped or running, and it is in the audit log
under the name of the system's user. Libraries are imported when a command runs: `gachi --help` must not pay for them.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import secrets
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from runtime.cli import command
from runtime.settings import Settings

if TYPE_CHECKING:
    from web.auth.accounts import Accounts
    from web.ports import Stores

ROLES = ("viewer", "host", "staff", "admin")
"""As `web.auth.roles.Role`, which a test compares."""
Work = Callable[["Accounts", "Stores", str], Awaitable[str]]
"""Given the password that was asked for (empty where none is); what it returns is printed."""


def user(commands: Any) -> None:  # noqa: ANN401 - argparse does not export the type of its subparsers
    """Add ``gachi user`` with its commands."""
    parser = commands.add_parser("user", help="make users and give them passwords")
    parts = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    add = command(parts, "add", "make a user; the password is asked for", _add)
    _who(add)
    add.add_argument("--name", default="", help="what others see; the login where it is left out")
    add.add_argument("--role", choices=ROLES, default="host", help="what the user may do (default: host)")
    _how(add)
    change = command(parts, "password", "give a user a new password and end all sessions", _password)
    _who(change)
    _how(change)
    command(parts, "list", "list the users", _list)


def _who(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("login", metavar="LOGIN", help="an e-mail address or a short name")


def _how(parser: argparse.ArgumentParser) -> None:
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    how.add_argument("--generate", action="store_true", help="make a password and print it")


def _asked(options: argparse.Namespace) -> tuple[str, str]:
    """The password, and what to say of it. Raises ValueError where the two that were typed differ."""
    if options.generate:
        made = secrets.token_urlsafe(12)
        return made, f"; the password is {made}"
    if options.password_stdin:
        return sys.stdin.readline().rstrip("\r\n"), ""
    first = getpass.getpass("password: ")
    if first != getpass.getpass("again: "):
        raise ValueError("the passwords differ: nothing was done")
    return first, ""


def _run(options: argparse.Namespace, operation: str, work: Work) -> int:
    from runtime.bus.contract import CommandError

    try:
        settings = Settings.load(options.config)
        password, told = _asked(options) if operation else ("", "")
        print(asyncio.run(_on_database(settings, options, operation, work, password)) + told)
    except (CommandError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


async def _on_database(
    settings: Settings, options: argparse.Namespace, operation: str, work: Work, password: str
) -> str:
    from runtime.database import Database
    from runtime.migrations import upgrade
    from web.adapters.sql import stores
    from web.auth.accounts import Accounts
    from web.auth.lockout import Lockout
    from web.auth.passwords import Passwords
    from web.auth.ports import AuditRecord
    from web.auth.tokens import wall_micros

    settings.create_folders()
    async with Database.of(settings) as database:
        await upgrade(database)
        kept = stores(database)
        accounts = Accounts(kept.users, Passwords(), Lockout(kept.tries, wall_micros), wall_micros)
        said = await work(accounts, kept, password)
        if operation:
            found = await kept.users.by_login(options.login.lower())
            await kept.audit.append(
                AuditRecord(
                    id=0,
                    at=wall_micros(),
                    kind="command",
                    actor=getpass.getuser()[:40],
                    name=getpass.getuser(),
                    role="",
                    user="",
                    address="",
                    method="",
                    operation=operation,
                    named=found.id if found else "",
                    status=200,
                    changed={"login": options.login.lower()},
                )
            )
        return said


def _add(options: argparse.Namespace) -> int:
    async def work(accounts: Accounts, _: Stores, password: str) -> str:
        from web.auth.roles import Role

        made = await accounts.create(options.login, password, Role(options.role), options.name)
        return f"{made.login} is a user with the role {made.role.value}"

    return _run(options, "gachi user add", work)


def _password(options: argparse.Namespace) -> int:
    async def work(accounts: Accounts, kept: Stores, password: str) -> str:
        found = await kept.users.by_login(options.login.lower())
        if found is None:
            raise ValueError(f"there is no user {options.login}")
        if await accounts.set_password(found, password) is None:
            raise ValueError("somebody changed the user meanwhile: try again")
        return f"{found.login} has a new password, and all sessions have ended"

    return _run(options, "gachi user password", work)


def _list(options: argparse.Namespace) -> int:
    async def work(_: Accounts, kept: Stores, __: str) -> str:
        users = await kept.users.users()
        lines = [
            f"{each.login:<32} {each.role.value:<7} {'disabled' if each.disabled else '':<8} {each.name}".rstrip()
            for each in users
        ]
        return "\n".join(lines) or "there are no users: gachi user add LOGIN --role admin"

    return _run(options, "", work)


def certificate(commands: Any) -> None:  # noqa: ANN401 - as above
    """Add ``gachi certificate``."""
    text = "make the certificate that signs itself, for phones in the house, and tell what to open on them"
    command(commands, "certificate", text, _certificate).add_argument(
        "--renew", action="store_true", help="make another one though the present one is good"
    )


def _certificate(options: argparse.Namespace) -> int:
    from web import https
    from web.certificates import CertificateError, renew, self_signed
    from web.settings import SELF_SIGNED, HttpSettings

    settings = Settings.load(options.config)
    http = settings[HttpSettings]
    make = renew if options.renew else self_signed
    try:
        made = make(https.self_signed_file(settings.data), https.hosts_of(http), https.wall())
    except CertificateError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"file         {made.file} (its key is in it: nobody else may read it)")
    print(f"for          {', '.join(made.names)}")
    print(f"until        {made.ends:%Y-%m-%d}")
    print(f"fingerprint  {made.fingerprint} (SHA-256: what the phone must show)")
    for each in https.addresses(http, http.https_port):
        print(f"open         {each}/publish/FEED")
    if http.certificate != SELF_SIGNED:
        print(f'to serve with it, set http.certificate = "{SELF_SIGNED}"')
    return 0
