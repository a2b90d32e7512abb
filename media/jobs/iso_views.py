"""What is told of recordings of feeds."""

from __future__ import annotations

from media.contracts.isos import IsoPartView, IsoPlacement, IsoState, IsoView
from media.record.iso.isos import Iso, IsoPart, file_name
from media.record.iso.recorder import IsoRecorder


def view_of(iso: Iso, recorder: IsoRecorder | None = None) -> IsoView:
    """What is told of one, without parts and gaps."""
    state, reason = recorder.state if recorder else (IsoState.ENDED, "")
    if recorder is None and iso.running:
        state = IsoState.WAITING
    return IsoView(
        id=iso.id,
        feed=iso.feed,
        started=iso.started,
        ended=iso.ended,
        state=state,
        reason=reason,
        size=iso.size,
        duration=iso.duration,
        part_count=iso.parts,
    )


def part_view(feed: str, part: IsoPart) -> IsoPartView:
    """What is told of a part."""
    return IsoPartView(
        number=part.number,
        cause=part.cause.value,
        key=part.key,
        name=file_name(feed, part),
        started=part.started,
        duration=part.duration,
        size=part.size,
        video=part.video,
        width=part.width,
        height=part.height,
        audio=part.audio,
        sample_rate=part.sample_rate,
        channels=part.channels,
        closed=part.closed,
        placements=[
            IsoPlacement(channel=each.channel, starts=each.starts, ends=each.ends, offset=each.offset)
            for each in part.placements
        ],
    )
