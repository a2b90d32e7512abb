"""Every operation of the API, declared once. The router, the role checks and the OpenAPI document are made of this."""

from __future__ import annotations

from web.api import (
    audit,
    channels,
    feeds,
    isos,
    qoe,
    recordings,
    session,
    shows,
    tokens,
    users,
    wire,
    wire_isos,
)
from web.api import wire_accounts as accounts
from web.api.routing import Route
from web.api.wire_qoe import QoeBatch, Viewing, ViewingQuery
from web.auth.roles import Role
from web.problems import catalogue

VIEWER, HOST, STAFF, ADMIN = Role.VIEWER, Role.HOST, Role.STAFF, Role.ADMIN
_CHANNEL, _FEED, _SHOW, _USER = "/channels/{channel}", "/feeds/{feed}", "/shows/{show}", "/users/{user}"
_ISO = "/isos/{iso}"
_STATE = (catalogue.CONFLICT,)
_ROOM = (catalogue.CONFLICT, catalogue.CAPACITY)

ROUTES: tuple[Route, ...] = (
    # --- channels
    Route("GET", "/channels", None, "List channels", channels.list_channels, "channels",
          query=wire.PageQuery, response=wire.ChannelPage),
    Route("POST", "/channels", ADMIN, "Create a channel", channels.create_channel, "channels",
          query=wire.ForceQuery, body=wire.ChannelCreate, response=wire.Channel, status=201, versioned=True, problems=_ROOM),
    Route("GET", _CHANNEL, None, "Get a channel", channels.get_channel, "channels",
          response=wire.Channel, versioned=True),
    Route("PUT", f"{_CHANNEL}/settings", ADMIN, "Replace a channel's settings", channels.put_channel_settings, "channels",
          query=wire.ForceQuery, body=wire.ChannelSettings, response=wire.Channel, versioned=True, problems=_ROOM,
          note="On air, viewers see one discontinuity."),
    Route("DELETE", _CHANNEL, ADMIN, "Delete a channel that is off air", channels.delete_channel, "channels",
          status=204, versioned=True, problems=_STATE),
    Route("POST", f"{_CHANNEL}/start", STAFF, "Put a channel on air", channels.start_channel, "channels",
          query=wire.ForceQuery, response=wire.Channel, versioned=True, problems=_ROOM,
          note="Idempotent. Refused where the machine has no room for it, unless forced."),
    Route("POST", f"{_CHANNEL}/stop", STAFF, "Take a channel off air", channels.stop_channel, "channels",
          response=wire.Channel, versioned=True, note="Idempotent."),
    Route("PUT", f"{_CHANNEL}/program", HOST, "Put a feed on program", channels.put_program, "channels",
          body=wire.ProgramPut, response=wire.Channel, versioned=True, problems=_STATE),
    # --- feeds
    Route("GET", "/feeds", HOST, "List feeds", feeds.list_feeds, "feeds", query=wire.PageQuery, response=wire.FeedPage),
    Route("POST", "/feeds", STAFF, "Create a feed", feeds.create_feed, "feeds",
          body=wire.FeedCreate, response=wire.FeedCreated, status=201, versioned=True, problems=_STATE,
          note="The stream key is in this answer and never again."),
    Route("GET", _FEED, HOST, "Get a feed", feeds.get_feed, "feeds", response=wire.Feed, versioned=True),
    Route("PATCH", _FEED, STAFF, "Change a feed", feeds.patch_feed, "feeds",
          body=wire.FeedPatch, response=wire.Feed, versioned=True, problems=_STATE),
    Route("DELETE", _FEED, STAFF, "Delete a feed and end its sender", feeds.delete_feed, "feeds",
          status=204, versioned=True, problems=_STATE, note="Refused while a channel on air has it on program or as backup."),
    Route("POST", f"{_FEED}/key", STAFF, "Give a feed a new stream key", feeds.rotate_feed_key, "feeds",
          response=wire.FeedCreated, versioned=True, problems=(catalogue.INVALID,), note="The former key is refused from now on."),
    # --- recordings of feeds
    Route("GET", "/isos", STAFF, "List recordings of feeds", isos.list_isos, "isos",
          query=wire_isos.IsoQuery, response=wire_isos.IsoPage),
    Route("POST", "/isos", STAFF, "Record a feed as it comes", isos.create_iso, "isos",
          body=wire_isos.IsoCreate, response=wire_isos.Iso, status=201, problems=_STATE,
          note="Nothing is transcoded. Idempotent: the recording of the feed that runs is returned."),
    Route("GET", _ISO, STAFF, "Get a recording of a feed", isos.get_iso, "isos", response=wire_isos.Iso),
    Route("POST", f"{_ISO}/stop", STAFF, "End a recording of a feed", isos.stop_iso, "isos",
          response=wire_isos.Iso, note="Idempotent."),
    Route("DELETE", _ISO, STAFF, "Delete a recording of a feed that has ended", isos.delete_iso, "isos",
          status=204, problems=_STATE),
    Route("GET", f"{_ISO}/parts/{{number}}", STAFF, "Download a part of a recording of a feed", isos.download_iso_part,
          "isos", media="video/matroska", problems=(catalogue.RANGE,),
          note="Also while it grows: as far as it is. Single byte ranges are served."),
    # --- shows
    Route("GET", "/shows", None, "List shows", shows.list_shows, "shows", query=wire.ShowQuery, response=wire.ShowPage,
          note="With `state=draft`: what is planned."),
    Route("POST", "/shows", HOST, "Create a show", shows.create_show, "shows",
          body=wire.ShowCreate, response=wire.Show, status=201, versioned=True, problems=_STATE),
    Route("GET", _SHOW, None, "Get a show", shows.get_show, "shows", response=wire.Show, versioned=True),
    Route("PATCH", _SHOW, HOST, "Change a show", shows.patch_show, "shows",
          body=wire.ShowPatch, response=wire.Show, versioned=True, problems=_STATE),
    Route("DELETE", _SHOW, STAFF, "Delete a show that is not live", shows.delete_show, "shows",
          status=204, versioned=True, problems=_STATE),
    Route("POST", f"{_SHOW}/start", HOST, "Start a show", shows.start_show, "shows",
          response=wire.Show, versioned=True, problems=_STATE, note="Opens tape and log. Idempotent while live."),
    Route("POST", f"{_SHOW}/stop", HOST, "Stop a show", shows.stop_show, "shows",
          response=wire.Show, versioned=True, problems=_STATE, note="Closes tape and log; the replay is there at once."),
    Route("POST", f"{_SHOW}/marks", HOST, "Mark this moment of a show", shows.create_mark, "shows",
          body=wire.MarkCreate, response=wire.LogEntry, status=201, problems=_STATE),
    Route("GET", f"{_SHOW}/log", HOST, "Read a show's log", shows.read_show_log, "shows",
          query=wire.LogQuery, response=wire.LogEntry, media="application/x-ndjson",
          note="One JSON object a line, in order of `seq`."),
    Route("POST", f"{_SHOW}/export", HOST, "Make an MP4 of an ended show", shows.export_show, "shows",
          response=wire.Job, status=202, problems=_STATE, note="Idempotent: the job that exists is returned."),
    Route("GET", f"{_SHOW}/export.mp4", HOST, "Download a show's MP4", shows.download_export, "shows",
          media="video/mp4", problems=(catalogue.NOT_READY, catalogue.RANGE, catalogue.CONFLICT),
          note="Single byte ranges are served."),
    # --- recordings and jobs
    Route("GET", "/recordings", HOST, "List recordings", recordings.list_recordings, "recordings",
          query=wire.RecordingQuery, response=wire.RecordingPage),
    Route("GET", "/recordings/{recording}", HOST, "Get a recording", recordings.get_recording, "recordings",
          response=wire.Recording),
    Route("DELETE", "/recordings/{recording}", ADMIN, "Delete a recording", recordings.delete_recording, "recordings",
          status=204, problems=_STATE),
    Route("GET", "/jobs/{job}", HOST, "Get a job", recordings.get_job, "jobs", response=wire.Job),
    Route("GET", "/capacity", STAFF, "What channels take of the machine", channels.get_capacity, "channels",
          response=wire.Capacity),
    Route("GET", "/storage", STAFF, "How full the disk is", recordings.get_storage, "recordings",
          response=wire.Storage),
    # --- users
    Route("GET", "/users", ADMIN, "List users", users.list_users, "users",
          query=wire.PageQuery, response=accounts.UserPage),
    Route("POST", "/users", ADMIN, "Create a user", users.create_user, "users",
          body=accounts.UserCreate, response=accounts.User, status=201, versioned=True, problems=_STATE),
    Route("GET", _USER, ADMIN, "Get a user", users.get_user, "users", response=accounts.User, versioned=True),
    Route("PATCH", _USER, ADMIN, "Change a user", users.patch_user, "users",
          body=accounts.UserPatch, response=accounts.User, versioned=True, problems=_STATE,
          note="With the role, or disabled, the user's sessions end at once. The last administrator stays one."),
    Route("DELETE", _USER, ADMIN, "Delete a user with sessions and tokens", users.delete_user, "users",
          status=204, versioned=True, problems=_STATE),
    Route("POST", f"{_USER}/password", ADMIN, "Give a user a new password", users.set_user_password, "users",
          body=accounts.PasswordSet, response=accounts.User, versioned=True, note="The user's sessions end at once."),
    Route("DELETE", f"{_USER}/sessions", ADMIN, "Log a user out everywhere", users.end_user_sessions, "users", status=204),
    # --- tokens
    Route("GET", "/tokens", HOST, "List API tokens", tokens.list_tokens, "tokens",
          query=wire.PageQuery, response=accounts.TokenPage, note="One's own; administrators see all."),
    Route("POST", "/tokens", HOST, "Create an API token", tokens.create_token, "tokens",
          body=accounts.TokenCreate, response=accounts.TokenCreated, status=201,
          note="With one's own role at most. The token's text is in this answer and never again."),
    Route("DELETE", "/tokens/{token}", HOST, "Revoke an API token", tokens.revoke_token, "tokens", status=204,
          note="One's own; administrators any."),
    # --- session
    Route("GET", "/session", None, "Who am I", session.get_session, "session", response=accounts.Session),
    Route("POST", "/session", None, "Log in", session.open_session, "session",
          body=accounts.SessionCreate, response=accounts.Session, status=201, credential="token",
          problems=(catalogue.UNAUTHENTICATED, catalogue.WRONG_LOGIN, catalogue.TRIES),
          note="With login and password, or with a token. Sets a cookie for this site's pages."),
    Route("DELETE", "/session", None, "Log out", session.close_session, "session",
          query=accounts.SessionEnd, status=204),
    Route("POST", "/session/password", VIEWER, "Change one's own password", session.change_password, "session",
          body=accounts.PasswordChange, response=accounts.Session,
          problems=(catalogue.WRONG_LOGIN, catalogue.TRIES, catalogue.CONFLICT, catalogue.STALE),
          note="All other sessions end; this one goes on with a new cookie."),
    # --- players
    Route("POST", "/qoe", None, "Report how playing goes", qoe.report_qoe, "players",
          body=QoeBatch, status=204, noted=False, max_body=8192,
          note="What the player of this site's pages sends each half minute; the keys are those of CMCD (CTA-5004)."),
    Route("GET", "/viewing", HOST, "How viewers fared in the last minutes", qoe.get_viewing, "players",
          query=ViewingQuery, response=Viewing, note="From players' reports, kept for an hour in memory."),
    # --- audit
    Route("GET", "/audit", ADMIN, "Read the audit log", audit.list_audit, "audit",
          query=accounts.AuditQuery, response=accounts.AuditPage, problems=(catalogue.INVALID,)),
)  # fmt: skip
"""The order is the order of the document."""
