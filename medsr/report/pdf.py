"""The overview as PDF, by WeasyPrint; needs the extra `pdf`."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from medsr.errors import ResourceError
from medsr.io import files
from medsr.report.pages import asset

_VARIABLE = re.compile(r"var\((--\w+)\)")
_DEFINED = re.compile(r"(--\w+):\s*([^;]+);")


def check_pdf() -> None:
    """Nothing where a PDF can be made.

    Raises:
        ResourceError: WeasyPrint, or a library that it needs, is missing.
    """
    try:
        import weasyprint  # noqa: F401
    except (ImportError, OSError) as error:  # OSError: the wheel is there, Pango is not
        raise ResourceError(
            f"a PDF needs WeasyPrint and Pango ({type(error).__name__}); pip install 'medsr[pdf]', or print index.html "
            "from a browser"
        ) from error


def write_pdf(index: Path) -> Path:
    """Write the printed form of a report's index.html beside it.

    Args:
        index: Page from `medsr.validation.report.page.write_report`.

    Returns:
        Path of the PDF.

    Raises:
        InputError: the page can't be read.
        OutputError: the file can't be written.
        ResourceError: WeasyPrint, or a library that it needs, is missing.
    """
    check_pdf()
    from weasyprint import HTML, URLFetcher

    with files.opened(index) as file:
        html = file.read().decode("utf-8", "replace")
    logging.getLogger("weasyprint").setLevel(logging.ERROR)  # it warns of every rule that is for screens only
    path = index.with_suffix(".pdf")
    with files.atomic(path) as file:
        HTML(string=_with_plot_styles(html), url_fetcher=URLFetcher(allowed_protocols=("data",))).write_pdf(file)
    return path


def _with_plot_styles(html: str) -> str:
    """The page with the style of the plots inside each of them, where alone WeasyPrint looks for it."""
    known = dict(_DEFINED.findall(asset("colours.css").partition("@media")[0]))
    plain = _VARIABLE.sub(lambda match: known[match[1]], asset("plot.css"))
    return re.sub(r"(<svg [^>]*>)", lambda match: f"{match[1]}<style>{plain}</style>", html)
