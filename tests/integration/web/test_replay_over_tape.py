from __future__ import annotations

import io
from pathlib import Path

import av
import pytest

from media.adapters.obstore_store import ObstoreSegmentStore
from media.adapters.sql.tape import SqlTapeIndex
from media.model.errors import NotFoundError
from media.packaging.playlist_parser import parse_media, parse_multivariant
from tests.support import media_database, real_tape
from tests.support.tape import ANCHOR
from web.adapters.replay import TapeReplayReader
from web.adapters.stills import still_of

SECOND = 1_000_000


async def test_a_recording_over_two_epochs_reads_as_one_replay(tmp_path: Path) -> None:
    store = ObstoreSegmentStore.memory()
    async with media_database.fresh("sqlite", tmp_path) as database:
        index = SqlTapeIndex(database.engine)
        await real_tape.record(store, index, 3)
        await real_tape.record(store, index, 2, begins=7.0, first_msn=3)
        reader = TapeReplayReader(index)
        tape = await reader.open("main", ANCHOR + 2 * SECOND, ANCHOR + 11 * SECOND)
        with pytest.raises(NotFoundError):
            await reader.open("main", ANCHOR - 9 * SECOND, ANCHOR - 8 * SECOND)
    variants = parse_multivariant(tape.multivariant).variants
    assert {variant.uri.partition("/")[0] for variant in variants} <= set(tape.playlists)
    for rendition, text in tape.playlists.items():
        playlist = parse_media(text)
        assert [segment.uri for segment in playlist.segments] == ["1-1.m4s", "1-2.m4s", "2-3.m4s", "2-4.m4s"]
        assert [segment.discontinuities for segment in playlist.segments] == [0, 0, 1, 0]
        for segment in playlist.segments:
            for name in filter(None, (segment.uri, segment.map)):
                assert await store.get(tape.objects[f"{rendition}/{name}"])
    init = await store.get(tape.objects["v180/init-2.mp4"])
    fragment = await store.get(tape.objects["v180/2-3.m4s"])
    assert still_of(init, fragment).startswith(b"\xff\xd8")
    with av.open(io.BytesIO(init + fragment), mode="r") as container:
        assert container.streams.video[0].codec_context.width == 320
