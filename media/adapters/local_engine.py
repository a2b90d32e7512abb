"""Workers as supervised processes of this machine: the local adapter of `media.ports.Engine`."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from media.ports import EngineEvent, EngineListener
from runtime.supervision.process import Limits
from runtime.supervision.supervisor import ChildEvent, ChildSpec, ChildState, Exited, Ready, Supervisor, Told


class LocalEngine:
    """Runs `target` (``package.module:function``) once per name; `spares` stand by with everything imported."""

    def __init__(self, target: str, listener: EngineListener, *, limits: Limits, spares: int) -> None:
        self._target = target
        self._listener = listener
        self._limits = limits
        self._spares = spares
        self.supervisor = Supervisor()
        """For its figures."""

    async def ensure(self, name: str, config: dict[str, object]) -> None:
        """Have exactly one process run under `name`; one that failed is tried anew at once."""
        child = self.supervisor.children.get(name)
        if child is not None and child.state is ChildState.FAILED and not child.pid:
            await self.supervisor.stop(name)
        if name not in self.supervisor.children:
            spec = ChildSpec(name=name, target=self._target, config=config, limits=self._limits)
            await self.supervisor.start(spec, lambda event: self._hear(name, event))

    async def stop(self, name: str) -> None:
        """Stop it; no error where it does not run."""
        if name in self.supervisor.children:
            await self.supervisor.stop(name)

    def tell(self, name: str, kind: str, data: dict[str, object]) -> None:
        """Send something to the process."""
        child = self.supervisor.children.get(name)
        if child is not None:
            child.ask(kind, **data)

    async def __aenter__(self) -> Self:
        await self.supervisor.__aenter__()
        self.supervisor.spare(self._target, self._spares)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.supervisor.__aexit__(kind, error, trace)

    def _hear(self, name: str, event: ChildEvent) -> None:
        match event:
            case Ready(info=info):
                self._listener(name, EngineEvent.READY, dict(info))
            case Told(what=what, data=data):
                self._listener(name, EngineEvent.TOLD, {**data, "kind": what})
            case Exited(ending=ending) if not ending.expected:
                self._listener(
                    name, EngineEvent.EXITED, {"reason": ending.reason, "permanent": ending.permanent}
                )
            case _:
                pass
