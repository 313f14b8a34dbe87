"""A table finds its place in a page, and nothing around it changes."""

from __future__ import annotations

import pytest

from medsr.errors import InputError
from medsr.report.text import written_between

BEGIN, END = "<!-- begin -->", "<!-- end -->"


def test_what_lies_between_two_lines_is_replaced_and_nothing_else():
    page = f"above\n{BEGIN}\nold\n{END}\nbelow\n"
    assert written_between(page, BEGIN, END, "new\n") == f"above\n{BEGIN}\nnew\n{END}\nbelow\n"
    assert written_between(page, BEGIN, END, "old\n") == page


@pytest.mark.parametrize("page", ["", f"{BEGIN}\nold\n", f"old\n{END}\n", f"{END}\nold\n{BEGIN}\n"])
def test_a_page_without_the_two_lines_in_order_is_refused(page):
    with pytest.raises(InputError, match="no place for the table"):
        written_between(page, BEGIN, END, "new\n")
