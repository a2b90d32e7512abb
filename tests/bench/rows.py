"""What a bench found: rows, kept as one small JSON file each."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench" / "results"


@dataclass(slots=True)
class Row:
    """One line of the table."""

    name: str
    """File name of the result."""
    title: str
    unit: str
    ours: float | None
    peer: float | None = None
    peer_name: str = ""
    limit: float | None = None
    """What `judged` must not pass; None where there is no target."""
    sense: Literal["<=", ">="] = "<="
    judge: Literal["ours", "ratio"] = "ours"
    """What is held against the limit."""
    notes: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """Ours by the peer's."""
        return self.ours / self.peer if self.ours is not None and self.peer else None

    @property
    def judged(self) -> float | None:
        """What is held against the limit."""
        return self.ours if self.judge == "ours" else self.ratio

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none, or nothing was measured."""
        if self.limit is None or self.judged is None:
            return None
        return self.judged <= self.limit if self.sense == "<=" else self.judged >= self.limit

    @property
    def target(self) -> str:
        """The target in words."""
        if self.limit is None:
            return ""
        sign = {"<=": "≤", ">=": "≥"}[self.sense]
        return f"{sign} {self.limit:g}" + (
            f" × {self.peer_name}" if self.judge == "ratio" else f" {self.unit}"
        )


def missed(name: str, title: str, why: str) -> Row:
    """A row of what could not be measured here."""
    return Row(name, title, "", None, notes=[f"NOT MEASURED: {why}"])


def median(values: Sequence[float]) -> float:
    """The middle value; the mean of the two middle ones. ValueError without values."""
    return percentile(values, 0.5) if len(values) % 2 else sum(sorted(values)[len(values) // 2 - 1 :][:2]) / 2


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that is not below `share` of all (nearest rank). ValueError without values."""
    if not values:
        raise ValueError("nothing was measured")
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def rounded(value: Any) -> Any:
    """Floats with four digits that count, through lists and tables."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return value


def keep(row: Row, bench: str, date: str, machine: dict[str, Any]) -> None:
    """Write a row's file."""
    fields = asdict(row)
    head = {key: fields.pop(key) for key in ("name", "title")}
    kept = {
        **head,
        "bench": bench,
        "date": date,
        "machine": machine,
        **fields,
        "ratio": row.ratio,
        "target": row.target,
        "met": row.met,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    text = json.dumps(rounded(kept), ensure_ascii=False, indent=2)
    (RESULTS / f"{row.name}.json").write_text(text + "\n", encoding="utf-8")


def forget(bench: str) -> None:
    """Remove what an earlier run of a bench left."""
    for path in RESULTS.glob("*.json"):
        if json.loads(path.read_text(encoding="utf-8"))["bench"] == bench:
            path.unlink()
