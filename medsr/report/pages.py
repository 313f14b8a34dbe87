"""Pages: one environment for every template, and a content security policy that binds a page to its own text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from medsr.record import NOTICE
from medsr.report.security import inline, policy

FOLDER = "templates"
STYLES = ("colours.css", "plot.css", "page.css")


@dataclass(frozen=True)
class Look:
    """What a page holds beside its text.

    Attributes:
        styles: Style sheets in `FOLDER`, in the order of the cascade.
        script: Script in `FOLDER`; None for a page without one.
        further: More directives of its policy, as in `security.policy`.
    """

    styles: tuple[str, ...] = STYLES
    script: str | None = None
    further: str = ""


STUDY = Look(script="study.js")


def rendered(template: str, look: Look = STUDY, /, **context: object) -> bytes:
    """A page with its own style and script inside, which its policy allows by their hashes.

    Args:
        template: File in `FOLDER`.
        look: Style, script and further permissions.
        context: Values of the names in the template.
    """
    css, code = style(look.styles), "" if look.script is None else inline(asset(look.script))
    allowed = policy([code] if code else [], [css], look.further)
    page = environment().get_template(template)
    html = page.render(policy=allowed, style=Markup(css), script=Markup(code), notice=NOTICE, **context)
    return html.encode("utf-8", "replace")


def data_block(content: object) -> Markup:
    """Plain values as JSON for a tag of its own, without any "<", which could end that tag."""
    return Markup(json.dumps(content).replace("<", "\\u003c"))


def style(names: Sequence[str] = STYLES) -> str:
    """The text of style sheets, one after the other."""
    return "".join(asset(name) for name in names)


def asset(name: str) -> str:
    """The text of a file in `FOLDER`."""
    return (resources.files("medsr.report") / FOLDER / name).read_text(encoding="utf-8")


@cache
def environment() -> Environment:
    """Templates that escape whatever they are given, and refuse a name that they are not."""
    return Environment(
        loader=PackageLoader("medsr.report", FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
