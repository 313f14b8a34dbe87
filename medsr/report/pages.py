"""Templates, styles and scripts of the study's pages, and the policy that binds a page to them."""

from __future__ import annotations

from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from medsr.record import NOTICE
from medsr.report.security import inline, policy

FOLDER = "templates"
STYLES = ("colours.css", "plot.css", "study.css")


def rendered(template: str, **context: object) -> bytes:
    """A page with its own style and script inside, allowed by their hashes alone.

    Args:
        template: file in `FOLDER`.
        context: what the template names.
    """
    css, code = style(), inline(asset("study.js"))
    html = (
        environment()
        .get_template(template)
        .render(policy=policy([code], [css]), style=Markup(css), script=Markup(code), notice=NOTICE, **context)
    )
    return html.encode("utf-8", "replace")


def style() -> str:
    """The style of every page."""
    return "".join(asset(name) for name in STYLES)


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
