"""How far a pass over a catalog is."""

from __future__ import annotations

from commerce_bridge.contracts.products import BadRowView, SyncView
from commerce_bridge.ports import Batch

MOST_BAD = 100
NONE = SyncView(
    running=False, started=0, ended=0, rows=0, changed=0, gone=0, bad=0, bad_rows=[], done=None, error=""
)
"""No pass yet."""


def begun(now: int) -> SyncView:
    """A pass begins."""
    return NONE.model_copy(update={"running": True, "started": now})


def went_on(view: SyncView, batch: Batch, changed: int) -> SyncView:
    """A piece was read, of which so many products were new or changed."""
    rows = view.rows + len(batch.products) + len(batch.bad)
    bad_rows = [
        *view.bad_rows,
        *(
            BadRowView(row=each.row, field=each.field, reason=each.reason, key=each.key)
            for each in batch.bad[: MOST_BAD - len(view.bad_rows)]
        ),
    ]
    done = batch.done
    if done is None and batch.total:
        done = min(1.0, rows / batch.total)
    return view.model_copy(
        update={
            "rows": rows,
            "changed": view.changed + changed,
            "bad": view.bad + len(batch.bad),
            "bad_rows": bad_rows,
            "done": done,
        }
    )


def unchanged(whole: SyncView, view: SyncView) -> SyncView:
    """Nothing changed since the newest whole pass: what was counted then holds."""
    return whole.model_copy(update={"running": True, "started": view.started, "ended": 0, "changed": 0})


def ended(view: SyncView, now: int, *, gone: int = 0, error: str = "") -> SyncView:
    """It came to its end, or broke off with an error."""
    done = view.done if error else 1.0
    return view.model_copy(
        update={"running": False, "ended": now, "gone": gone, "error": error, "done": done}
    )
