import base64
import hashlib
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from medsr.report.security import inline, policy


class Scripts(HTMLParser):
    """Counts script elements."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = 0
        self.closed = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.opened += tag == "script"

    def handle_endtag(self, tag: str) -> None:
        self.closed += tag == "script"


@given(st.lists(st.text()), st.text())
def test_a_policy_names_every_script_and_style_by_its_hash_and_allows_nothing_else(
    scripts: list[str], css: str
) -> None:
    found = policy(scripts, [css])
    for text in (*scripts, css):
        assert f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" in found
    assert "unsafe" not in found
    assert "http" not in found
    assert found.startswith("default-src 'none'")
    assert found.count("sha256-") == len(scripts) + 1


def test_further_sources_replace_those_of_pictures() -> None:
    assert policy([], [], "connect-src data:; img-src data: blob:").count("img-src") == 1
    assert "script-src 'none'" in policy([], [])


@given(st.text(alphabet="</scriptSCRIPT!->\"' a", max_size=60))
def test_a_script_never_ends_its_own_element(text: str) -> None:
    parser = Scripts()
    parser.feed(f"<script>{inline(text)}</script>")
    parser.close()
    assert (parser.opened, parser.closed) == (1, 1)
