"""Every operation of the API, declared once. The router, the role checks and the OpenAPI document are made of this."""

from __future__ import annotations

from web.api import channels, feeds, recordings, shows, tokens, wire
from web.api.routing import Route
from web.auth.roles import Role
from web.problems import catalogue

VIEWER, HOST, STAFF, ADMIN = Role.VIEWER, Role.HOST, Role.STAFF, Role.ADMIN
_CHANNEL, _FEED, _SHOW = "/channels/{channel}", "/feeds/{feed}", "/shows/{show}"
_STATE = (catalogue.CONFLICT,)

ROUTES: tuple[Route, ...] = (
    # --- channels
    Route("GET", "/channels", None, "List channels", channels.list_channels, "channels",
          query=wire.PageQuery, response=wire.ChannelPage),
    Route("POST", "/channels", ADMIN, "Create a channel", channels.create_channel, "channels",
          body=wire.ChannelCreate, response=wire.Channel, status=201, versioned=True, problems=_STATE),
    Route("GET", _CHANNEL, None, "Get a channel", channels.get_channel, "channels",
          response=wire.Channel, versioned=True),
    Route("PUT", f"{_CHANNEL}/settings", ADMIN, "Replace a channel's settings", channels.put_channel_settings, "channels",
          body=wire.ChannelSettings, response=wire.Channel, versioned=True, problems=_STATE,
          note="On air, viewers see one discontinuity."),
    Route("DELETE", _CHANNEL, ADMIN, "Delete a channel that is off air", channels.delete_channel, "channels",
          status=204, versioned=True, problems=_STATE),
    Route("POST", f"{_CHANNEL}/start", STAFF, "Put a channel on air", channels.start_channel, "channels",
          response=wire.Channel, versioned=True, note="Idempotent."),
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
    Route("GET", "/storage", STAFF, "How full the disk is", recordings.get_storage, "recordings",
          response=wire.Storage),
    # --- tokens
    Route("GET", "/tokens", ADMIN, "List API tokens", tokens.list_tokens, "tokens",
          query=wire.PageQuery, response=wire.TokenPage),
    Route("POST", "/tokens", ADMIN, "Create an API token", tokens.create_token, "tokens",
          body=wire.TokenCreate, response=wire.TokenCreated, status=201,
          note="The token's text is in this answer and never again."),
    Route("DELETE", "/tokens/{token}", ADMIN, "Revoke an API token", tokens.revoke_token, "tokens", status=204),
    Route("GET", "/session", None, "Who am I", tokens.get_session, "session", response=wire.Session),
    Route("POST", "/session", None, "Log in with a token", tokens.open_session, "session",
          body=wire.SessionCreate, response=wire.Session, status=201, credential=True, problems=(catalogue.UNAUTHENTICATED,),
          note="Sets a cookie for this site's pages."),
    Route("DELETE", "/session", None, "Log out", tokens.close_session, "session", status=204),
)  # fmt: skip
"""The order is the order of the document."""
