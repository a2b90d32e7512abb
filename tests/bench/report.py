"""docs/performance.md and its plot, written from the kept results."""

from __future__ import annotations

import json
from typing import Any

from tests.bench import svg
from tests.bench.machine import BUSY
from tests.bench.rows import RESULTS, ROOT, Row, rounded

DOCUMENT = ROOT / "docs" / "performance.md"
PLOT = ROOT / "docs" / "performance.svg"
VIEWERS = ROOT / "docs" / "performance-viewers.svg"
ORDER = (
    "channel-cpu",
    "first-picture",
    "mixer-to-glass",
    "glass-to-glass",
    "worker-memory",
    "reconnect-memory",
    "channels-cpu",
    "channels-memory",
    "origin-throughput",
    "origin-cpu",
    "edge-throughput",
    "edge-cpu",
    "nginx-throughput",
    "viewers-web-333",
    "viewers-web-5",
    "viewers-worker-333",
    "viewers-worker-5",
    "rtmp-ingest",
    "whip-ingest",
    "loss-1",
    "loss-5",
    "loss-10",
    "loss-20",
    "realtime-cpu",
    "catalog-import",
    "catalog-unchanged",
    "catalog-search",
    "go-throughput",
    "go-cpu",
    "kill-back",
    "kill-lost",
)
HEAD = """# Performance

Written by `make bench` (`python -m tests.bench`); do not edit. One bench alone: `python -m tests.bench NAME`, the names:
`python -m tests.bench --list`. Each row's whole result, with every repetition, is in `bench/results/`.

Figures of one machine say little by themselves: where a row has a peer, it is measured against that peer in the same
run, in turns, and judged by the ratio. Medians unless a row says otherwise.
"""
FOOT = """
## What the targets are

The ffmpeg program is the one in the wheel `imageio-ffmpeg`, with the same x264 parameters, filters, threads and input. *Glass to
glass* is from the clock burned in before the camera's encoder to the canvas of the page in Chromium; *mixer to glass*
from the programme time that the mixer burns in. Real clips are taken from the folder in `GACHI_BENCH_MEDIA`; without
one a clip is generated, which codes more easily, so its figures do not compare with those of real clips.

nginx, wrk and Chromium are used where they are installed; what is missing is said in the table.
"""


def line(row: Row) -> str:
    """A row in one line for the terminal."""
    if row.ours is None:
        return f"{row.title}: {' '.join(row.notes)}"
    text = f"{row.title}: {_number(row.ours)} {row.unit}"
    if row.peer is not None:
        text += f", {row.peer_name} {_number(row.peer)}, ratio {_number(row.ratio)}"
    return f"{text}{', target ' + row.target if row.target else ''} {_verdict(row.met)}"


def write() -> None:
    """Write the document and the plots."""
    kept = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))]
    places = {name: place for place, name in enumerate(ORDER)}
    kept.sort(key=lambda row: (places.get(row["name"], len(places)), row["name"]))
    bars = [bar for row in kept if (bar := _bar(row)) is not None]
    PLOT.write_text(svg.bars("Share of each target that was used (below 1 is met)", bars), encoding="utf-8")
    curves = {
        row["name"].removeprefix("viewers-"): [
            (stage["viewers"], stage["p99"]) for stage in row["details"]["stages"]
        ]
        for row in kept
        if row["name"].startswith("viewers-") and "stages" in row["details"]
    }
    text = [
        HEAD,
        *_machines(kept),
        "![Share of each target](performance.svg)\n",
        *_table(kept),
        *_notes(kept),
    ]
    if curves:
        title = "99th percentile of part delay by viewers on one core, seconds"
        VIEWERS.write_text(svg.curves(title, curves), encoding="utf-8")
        text.append("## Viewers\n\n![Part delay by viewers](performance-viewers.svg)\n")
    DOCUMENT.write_text("\n".join([*text, FOOT.lstrip("\n")]), encoding="utf-8")


def _machines(kept: list[dict[str, Any]]) -> list[str]:
    seen: dict[str, list[str]] = {}
    for row in kept:
        about = row["machine"]
        words = f"{about['cores']} × {about['model']}, {about['memory_mb'] / 1000:.0f} GB, Linux {about['kernel']}"
        seen.setdefault(f"{words}, Python {about['python']}", []).append(row["date"][:10])
    return [
        f"Measured {min(dates)}{'' if min(dates) == max(dates) else ' to ' + max(dates)} on {words}.\n"
        for words, dates in seen.items()
    ]


def _table(kept: list[dict[str, Any]]) -> list[str]:
    lines = ["| what | ours | peer | ratio | target | met |", "|---|---|---|---|---|---|"]
    for row in kept:
        peer = f"{_number(row['peer'])} ({row['peer_name']})" if row["peer"] is not None else "–"
        ours = f"{_number(row['ours'])} {row['unit']}" if row["ours"] is not None else "not measured"
        marks = " †" if _loaded(row) else ""
        target = row["target"] or "–"
        lines.append(
            f"| {row['title']}{marks} | {ours} | {peer} | {_number(row['ratio'])} | {target} | {_verdict(row['met'])} |"
        )
    if any(_loaded(row) for row in kept):
        lines.append(
            "\n† Taken while other work ran on the machine: not to be relied on; run again on a quiet one."
        )
    return [*lines, ""]


def _notes(kept: list[dict[str, Any]]) -> list[str]:
    lines = ["## How each was taken\n"]
    told: set[tuple[str, ...]] = set()
    for row in kept:
        notes = tuple(row["notes"])
        if notes in told:
            continue
        told.add(notes)
        about = row["machine"]
        load = f"load {about['load_at_start']}, {about.get('busy_cores_at_start', 0)} cores busy with other work at its start"
        lines.append(f"- **{row['title']}** — {'; '.join(notes)} ({load}).")
    return [*lines, ""]


def _loaded(row: dict[str, Any]) -> bool:
    return bool(row["machine"].get("busy_cores_at_start", 0) > BUSY)


def _bar(row: dict[str, Any]) -> svg.Bar | None:
    judged = row["ours"] if row["judge"] == "ours" else row["ratio"]
    if row["limit"] is None or judged is None:
        return None
    share = judged / row["limit"] if row["sense"] == "<=" else row["limit"] / judged if judged else 9.0
    unit = "×" if row["judge"] == "ratio" else row["unit"]
    return svg.Bar(row["title"], max(0.0, share), f"{_number(judged)} {unit}", bool(row["met"]))


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    if value and abs(value) < 0.01:
        return f"{value:.4f}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{rounded(round(value, 2)):g}"


def _verdict(met: bool | None) -> str:
    return {True: "yes", False: "**missed**", None: "–"}[met]
