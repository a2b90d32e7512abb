"""The cards of one live show: each happening is written into the log first, and only then it is so."""

from __future__ import annotations

from collections.abc import Callable

from commerce_bridge.cards.inputs import Input, News
from commerce_bridge.cards.lines import to_data
from commerce_bridge.cards.machine import decide
from commerce_bridge.contracts.products import ProductView
from runtime import logs
from studio.cards.ranges import Ranges, range_of
from studio.cards.timeline import Timeline
from studio.cards.views import known_of
from studio.contracts.cards import Moment
from studio.model.errors import StoreError
from studio.showlog.journals import Journal
from studio.showlog.programme import ProgrammeTimes

log = logs.get("studio.cards")


class LiveCards:
    """Called from one event loop; never waits, so that commands happen one after the other."""

    def __init__(
        self,
        channel: str,
        journal: Journal,
        timeline: Timeline,
        *,
        since: int,
        times: ProgrammeTimes,
        ranges: Ranges,
        now: Callable[[], int],
        changed: Callable[[str], None],
    ) -> None:
        """`since`: programme time at which the show began. `changed` is told the show's id."""
        self.channel = channel
        self.timeline = timeline
        self._journal = journal
        self._times = times
        self._ranges = ranges
        self._now = now
        self._changed = changed
        self._latest = max(since, timeline.newest.time if timeline.newest else 0)
        """Moments are in order of time: no entry is written with an earlier one."""
        self._open = timeline.newest
        """Whose range is open in the playlists."""

    def carry_out(self, asked: Input, *, time: int | None = None) -> None:
        """Do it, at the programme time `time` or of now. Raises `ConflictError` and `InvalidError` of the bridge's family, and
        `LogFullError`: what could be written before it has happened, the rest has not.
        """
        at = self._now()
        _, happenings = decide(self.timeline.cards, asked, at)
        if not happenings:
            return
        self._latest = max(self._latest, self._times.at(self.channel, at) if time is None else time)
        try:
            for each in happenings:
                data = to_data(each)
                entry = self._journal.writer.append(each.kind, at=at, time=self._latest, data=data)
                self.timeline.take(entry.seq, entry.time, each)
        finally:
            self._picture_changed()
            self._changed(self._journal.show)

    def note(self, asked: Input, *, time: int | None = None) -> bool:
        """As `carry_out`, of what nobody asked for; False where the log does not take it."""
        try:
            self.carry_out(asked, time=time)
        except StoreError as error:
            log.warning("a change of a card is not in the log", show=self._journal.show, error=str(error))
            return False
        return True

    def hear(self, view: ProductView) -> None:
        """What a shop tells of a product now."""
        facts, _ = known_of(view)
        self.note(News(view.id, facts, view.saleable, gone=view.gone))

    def end_range(self, time: int) -> None:
        """Nothing is on the picture any more: the show ended at this programme time."""
        if self._open is not None and self._open.product:
            self._tell(self._open, ends=time)
        self._open = None

    def tell_range(self) -> None:
        """Write the open range anew: playlists of a new worker know nothing of it."""
        if self._open is not None and self._open.product:
            self._tell(self._open)

    def _picture_changed(self) -> None:
        before, now = self._open, self.timeline.newest
        if before == now:
            return
        if before is not None and before.product:
            self._tell(before, ends=self._latest)
        self._open = now
        self.tell_range()

    def _tell(self, moment: Moment, *, ends: int | None = None) -> None:
        facts = self.timeline.cards.facts.get(moment.product)
        title = facts.title if facts else ""
        self._ranges.put(self.channel, range_of(self._journal.show, moment, title, ends=ends))
