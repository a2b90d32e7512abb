"""Settings of the jobs process: section `jobs`."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from runtime.settings import Section


class JobsSettings(Section):
    """How jobs on the tape are run."""

    section: ClassVar[str] = "jobs"

    export_timeout: float = Field(default=3600.0, gt=0, description="Seconds that one MP4 export may take.")
