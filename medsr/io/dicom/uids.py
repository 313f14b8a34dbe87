"""Unique identifiers that depend on content alone: the same result gets the same UID, another one another."""

from __future__ import annotations

import hashlib
import json
from uuid import UUID

from pydicom.uid import UID


def uid_of(*facts: str) -> UID:
    """The UID of some facts: 2.25. and the number of a UUID made of their SHA-256 (PS3.5, B.2).

    Args:
        facts: Whatever tells one thing from another, in a fixed order.
    """
    digest = hashlib.sha256(json.dumps(facts).encode()).digest()
    return UID(f"2.25.{UUID(bytes=digest[:16], version=5).int}")


IMPLEMENTATION_CLASS_UID = uid_of("medsr", "implementation class")
"""Stands in the file meta of everything written here, and tells a previous result from foreign files."""
