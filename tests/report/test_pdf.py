import sys
from pathlib import Path

import pytest
from made_reports import made_report

from medsr.errors import InputError, ResourceError
from medsr.report.pdf import write_pdf
from medsr.validation.report.page import write_report


def test_the_overview_becomes_pages_with_coloured_plots(tmp_path: Path) -> None:
    pytest.importorskip("weasyprint", reason="needs the extra pdf and Pango", exc_type=(ImportError, OSError))
    index = write_report(made_report(tmp_path, ("sub-01_T1w",), ("iso2",), (24, 28, 22)), tmp_path / "out")
    path = write_pdf(index)
    assert path == index.with_suffix(".pdf")
    assert path.read_bytes()[:5] == b"%PDF-"


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(ResourceError, match=r"medsr\[pdf\]"):
        write_pdf(tmp_path / "index.html")


def test_a_page_that_is_not_there_is_an_input_error(tmp_path: Path) -> None:
    pytest.importorskip("weasyprint", reason="needs the extra pdf and Pango", exc_type=(ImportError, OSError))
    with pytest.raises(InputError):
        write_pdf(tmp_path / "index.html")
    assert list(tmp_path.iterdir()) == []
