"""How long a stage may say nothing before its process is taken for hung."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from medsr.errors import UsageError
from medsr.io.recipes import FORBID_UNKNOWN


@dataclass(frozen=True)
class Deadlines:
    """Longest silence of a stage in seconds before the process is taken for hung.

    Attributes:
        read: While the scan is read.
        enhance: While it is enhanced.
        write: While the results are written.

    Raises:
        UsageError: a deadline that has passed before work begins.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID_UNKNOWN

    read: float = 300.0
    enhance: float = 900.0
    write: float = 300.0

    def __post_init__(self) -> None:
        if min(self.read, self.enhance, self.write) <= 0:
            raise UsageError("a deadline is 0 s or less; expected more")
