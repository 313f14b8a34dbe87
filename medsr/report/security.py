"""What a page may do: run and style itself with exactly the text it was written with, and ask nobody for anything."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence


def policy(scripts: Sequence[str], styles: Sequence[str], further: str = "") -> str:
    """A content security policy (CSP level 3) that allows these inline scripts and styles alone, by their hashes.

    Args:
        scripts: Text between the tags of each script, as it stands in the page.
        styles: Text between the tags of each style sheet.
        further: More directives, such as "connect-src data:".
    """
    parts = [
        "default-src 'none'",
        f"script-src {_hashes(scripts)}",
        f"style-src {_hashes(styles)}",
        "img-src data:" if "img-src" not in further else "",
        further,
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return "; ".join(part for part in parts if part)


def inline(script: str) -> str:
    """A script that can't end its own tag, whatever its strings hold (HTML, section 4.12.1.3)."""
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _hashes(texts: Sequence[str]) -> str:
    return " ".join(f"'sha256-{_digest(text)}'" for text in texts) or "'none'"


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
