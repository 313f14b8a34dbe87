"""Licences of scans against the licence of weights that were trained on them."""

from __future__ import annotations

import re

# Permit use, change and passing on, at most with the notice kept; so weights may be under any licence that keeps it.
PERMISSIVE = ("PDDL", "CC0", "CC-BY", "MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ODC-BY")
FREE_WEIGHTS = ("Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause")
URLS = {
    "PDDL": "https://opendatacommons.org/licenses/pddl/1-0/",
    "CC0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "CC-BY": "https://creativecommons.org/licenses/by/4.0/",
    "CC-BY 3.0": "https://creativecommons.org/licenses/by/3.0/",
    "CC-BY 4.0": "https://creativecommons.org/licenses/by/4.0/",
    "MIT": "https://spdx.org/licenses/MIT.html",
    "Apache-2.0": "https://www.apache.org/licenses/LICENSE-2.0",
    "BSD-2-Clause": "https://spdx.org/licenses/BSD-2-Clause.html",
    "BSD-3-Clause": "https://spdx.org/licenses/BSD-3-Clause.html",
    "ODC-BY": "https://opendatacommons.org/licenses/by/1-0/",
}


def licence_id(text: str) -> str:
    """The identifier that a licence's text begins with, version included: "CC-BY 4.0 (TCIA ...)" is "CC-BY 4.0"."""
    found = re.match(r"[A-Za-z][\w.+-]*(?: \d+\.\d+)?(?=$|[ ;,(])", text.strip())
    return text.strip() if found is None else found[0]


def objection(data_licence: str, weights_licence: str) -> str | None:
    """Why weights under one licence can't rest on data under another; None where they can.

    Args:
        data_licence: Result of `licence_id`.
        weights_licence: SPDX identifier of the weights.
    """
    if re.sub(r" \d+\.\d+$", "", data_licence) not in PERMISSIVE:
        return f"scans under {data_licence}, which is not known to permit weights under {weights_licence}"
    if weights_licence not in FREE_WEIGHTS:
        return f"weights under {weights_licence}; expected one of {', '.join(FREE_WEIGHTS)}"
    return None
