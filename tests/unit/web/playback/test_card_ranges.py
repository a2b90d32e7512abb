from __future__ import annotations

from media.packaging.playlist_parser import parse_media
from studio.contracts.cards import CardState, CardsView, CardView, Moment
from tests.support.product_owner import product
from web.playback.card_ranges import range_lines, with_ranges

T = 1_795_000_000_000_000
PLAYLIST = "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:2.0,\na.m4s\n#EXT-X-ENDLIST\n"


def view(*moments: tuple[int, str]) -> CardsView:
    card = CardView(product=product("bread"), state=CardState.HIDDEN, talking_points="", sale_price=0)
    told = [
        Moment(seq=seq, time=T + seconds * 1_000_000, product=name, pinned=False, price=9_000, list_price=0)
        for seq, (seconds, name) in enumerate(moments, 1)
    ]
    return CardsView(show="s1", version=1, cards=[card], moments=told)


def test_each_card_lasts_until_the_next_moment_and_the_last_one_until_the_end() -> None:
    lines = range_lines(view((0, "bread"), (10, ""), (15, "old")), T + 20_000_000)
    ranges = parse_media(with_ranges(PLAYLIST, lines)).dateranges
    assert [(each.id, each.starts - T, each.duration) for each in ranges] == [
        ("card-s1-1", 0, 10_000_000),
        ("card-s1-3", 15_000_000, 5_000_000),
    ]
    assert ranges[0].attributes == {"X-PRODUCT": "bread", "X-TITLE": "상품 bread", "X-PRICE": "9000"}
    assert ranges[1].attributes["X-TITLE"] == ""


def test_a_show_that_sold_nothing_has_none() -> None:
    assert with_ranges(PLAYLIST, range_lines(view(), T)) == PLAYLIST
    assert with_ranges("#EXTM3U\n", ["x"]) == "#EXTM3U\n"
