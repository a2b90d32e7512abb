"""The mixer with a canvas of plain values: what it shows, what it sounds, and that it always gives a whole tick."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
from PIL import ImageFont

from media.mix.handover import PICTURES, MixerInput
from media.mix.loudness import crossfaded, limited
from media.mix.messages import CATALOGUE, Message
from media.mix.mixer import Mixed, Mixer
from media.mix.slate import korean_font, paint_slate
from media.mix.switcher import Program, Shown
from media.mix.units import DecodedPicture, DecodedSound
from media.model.channel import ChannelSpec, Rung
from media.model.time import ProgrammeTime

SPEC = ChannelSpec("main", width=320, height=180, ladder=(Rung(180, 200_000),))


class NamedPictures:
    """A canvas whose pictures are names: a working one, only without pixels."""

    def __init__(self) -> None:
        self.fitted = 0
        self.painted = 0

    def fit(self, picture: DecodedPicture[str]) -> str:
        self.fitted += 1
        return picture.frame

    def paint(self, rgb: npt.NDArray[np.uint8]) -> str:
        assert rgb.shape == (SPEC.height, SPEC.width, 3)
        self.painted += 1
        return f"slate {self.painted}"

    def burn_in(self, picture: str, millis: int) -> str:
        return f"{picture} at {millis}"


class Show:
    """A mixer fed by feeds that send one tone each."""

    def __init__(self, spec: ChannelSpec = SPEC) -> None:
        self.canvas = NamedPictures()
        self.mixer = Mixer(spec, self.canvas)
        self.tick = 0
        self.sending: dict[str, float] = {}
        self.samples = 0

    def run(self, ticks: int) -> list[Mixed[str]]:
        done = []
        for _ in range(ticks):
            for name, level in self.sending.items():
                door = self.mixer.attach(name)
                if self.tick % 2 == 0:  # in pairs, as packets do
                    for at in (self.tick, self.tick + 1):
                        micros = at * 1_000_000 // 30
                        door.put_picture(DecodedPicture(micros, f"{name}{at}", Fraction(1)))
                        door.put_sound(DecodedSound(micros, np.full((1600, 2), level, np.float32)))
            mixed = self.mixer.tick(self.tick)
            assert mixed.samples.shape == (1600, 2)
            assert np.abs(mixed.samples).max() <= 1
            done.append(mixed)
            self.tick += 1
        return done


def test_slate_before_anything_and_picture_after() -> None:
    show = Show()
    show.mixer.set_program(Program("a"))
    assert {mixed.picture for mixed in show.run(30)} == {"slate 1"}
    show.sending["a"] = 0.25
    done = show.run(60)
    assert done[-1].picture.startswith("a")
    assert done[-1].samples == pytest.approx(0.25)
    shown = [mixed.picture for mixed in done if mixed.picture.startswith("a")]
    assert len(set(shown)) == len(shown) > 40, "each picture once"
    assert show.canvas.painted == len(Message), "slates are painted beforehand"


def test_cut_is_on_one_tick_and_sound_crosses_in_10_ms() -> None:
    show = Show()
    show.sending = {"a": 0.5, "b": -0.5}
    show.mixer.set_program(Program("a"))
    show.run(60)
    show.mixer.set_program(Program("b", command="cut"))
    (mixed, *_) = show.run(3)
    assert mixed.picture.startswith("b")
    assert [change.command for change in mixed.changes] == ["cut"]
    assert mixed.samples[0] == pytest.approx(0.5)
    assert mixed.samples[240] == pytest.approx(0, abs=0.01)
    assert mixed.samples[480:] == pytest.approx(-0.5)
    assert np.abs(np.diff(mixed.samples[:, 0])).max() < 0.01


def test_frozen_picture_is_fitted_once_and_sound_ends_softly() -> None:
    show = Show()
    show.sending["a"] = 0.5
    show.mixer.set_program(Program("a"))
    show.run(60)
    show.sending.clear()
    fitted = show.canvas.fitted
    done = show.run(90)
    assert show.canvas.fitted - fitted < 8
    assert any(mixed.selection.shown is Shown.FREEZE for mixed in done)
    assert done[-1].picture.startswith("slate")
    sound = np.concatenate([mixed.samples for mixed in done])
    assert np.abs(np.diff(sound[:, 0])).max() < 0.01
    assert not sound[-1600:].any()


def test_feed_that_returns_later_than_before_is_placed_anew_unseen() -> None:
    show = Show()
    show.mixer.set_program(Program("a"))
    timeline = None
    line = np.arange(0, 1600 * 400, dtype=np.float32)[:, None].repeat(2, 1) * np.float32(1e-6)
    late = 0
    for tick in range(360):
        if tick == 100:
            late = 20  # gone for four seconds, then back over a slower way
        if tick < 100 or tick >= 220:
            door = show.mixer.attach("a")
            at = tick - late
            door.put_picture(DecodedPicture(at * 1_000_000 // 30, f"a{at}"))
            door.put_sound(DecodedSound(at * 1_000_000 // 30, line[at * 1600 : (at + 1) * 1600]))
        mixed = show.mixer.tick(tick)
        timeline = show.mixer.timeline("a")
        if tick >= 260:
            number, sample = int(mixed.picture[1:]), float(mixed.samples[0, 0]) / 1e-6 / 1600
            assert abs(number - sample) <= 0.6
    assert timeline
    assert timeline.resyncs == 0


def test_detached_feed_on_air_leaves_its_last_picture_and_no_crash() -> None:
    show = Show()
    show.sending["a"] = 0.5
    show.mixer.set_program(Program("a"))
    show.run(60)
    assert show.mixer.in_use == {"a"}
    show.sending.clear()
    show.mixer.detach("a")
    done = show.run(90)
    assert done[-1].selection.shown is Shown.SLATE
    show.mixer.set_program(Program(None))
    show.run(2)
    assert show.mixer.in_use == frozenset()


def test_burn_in_is_programme_time_in_milliseconds() -> None:
    spec = ChannelSpec("main", width=320, height=180, ladder=SPEC.ladder, burn_in=True)
    show = Show(spec)
    show.mixer.anchor = ProgrammeTime(1_700_000_000_000_000)
    assert [mixed.picture for mixed in show.run(4)][3] == "slate 1 at 1700000000100"


def test_samples_are_exact_at_uneven_rates() -> None:
    spec = ChannelSpec("main", width=320, height=180, ladder=SPEC.ladder, rate=Fraction(30_000, 1001))
    mixer = Mixer(spec, NamedPictures())
    counts = [len(mixer.tick(tick).samples) for tick in range(300)]
    assert sum(counts) == spec.clock.samples_before(300)
    assert set(counts) == {1601, 1602}


def test_full_mailbox_drops_the_oldest_and_counts() -> None:
    door = MixerInput[str]()
    for i in range(PICTURES + 5):
        door.put_picture(DecodedPicture(i, str(i)))
    assert [picture.pts for picture in door.take_pictures()] == list(range(5, PICTURES + 5))
    assert door.dropped_pictures == 5
    assert door.take_pictures() == []


def test_limiter_is_transparent_below_and_bounded_above() -> None:
    quiet = np.random.default_rng(0).uniform(-0.9, 0.9, (1600, 2)).astype(np.float32)
    assert limited(quiet) is quiet
    loud = np.linspace(-8, 8, 3200, dtype=np.float32).reshape(1600, 2)
    out = limited(loud)
    assert np.abs(out).max() <= 1
    assert (np.diff(out.ravel()) >= 0).all()
    broken = loud.copy()
    broken[3] = np.nan
    broken[5] = np.inf
    assert np.isfinite(limited(broken)).all()


def test_crossfade_of_short_blocks() -> None:
    old, new = np.ones((4, 2), np.float32), np.zeros((1600, 2), np.float32)
    assert crossfaded(old, new, 480)[:4, 0] == pytest.approx([1, 0.75, 0.5, 0.25])
    assert crossfaded(old[:0], new, 480) is new


@pytest.mark.parametrize("size", [(1280, 720), (720, 1280), (320, 180), (64, 64)])
@pytest.mark.parametrize("message", Message)
def test_slates_paint_at_any_size_with_and_without_a_korean_font(
    size: tuple[int, int], message: Message
) -> None:
    for font in (korean_font(), None):
        rgb = paint_slate(*size, message, title="소상공인 라이브", font=font)
        assert rgb.shape == (size[1], size[0], 3)
        assert rgb.max() > 200, "there is text"


def test_fonts_and_words() -> None:
    assert korean_font("/nowhere.ttf") == korean_font()


def test_a_machine_without_fonts_has_korean_slates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("media.mix.slate.FONT_PLACES", ())
    font = korean_font()
    assert font is not None
    hangul, missing = (
        ImageFont.truetype(str(font), 40).getmask("잠시"),
        ImageFont.truetype(str(font), 40).getmask("\uffff\uffff"),
    )
    assert bytes(hangul) != bytes(missing)
    assert set(CATALOGUE) == set(Message)
