"""A recipe is read, or refused in one line that says what was expected."""

from __future__ import annotations

import pytest

from medsr.errors import UsageError
from medsr.io.recipes import read_toml


def test_keys_and_values_are_read(tmp_path):
    (tmp_path / "a.toml").write_text('name = "é"\n[part]\nn = 2\n', encoding="utf-8")
    assert read_toml(tmp_path / "a.toml", "a recipe") == {"name": "é", "part": {"n": 2}}


@pytest.mark.parametrize(
    ("content", "word"),
    [(None, "expected a recipe in TOML"), (b"a = \n", "is not TOML"), (b'a = "\xff"\n', "is not TOML")],
)
def test_what_is_no_toml_is_refused_in_one_line(tmp_path, content, word):
    path = tmp_path / "a.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=word) as caught:
        read_toml(path, "a recipe")
    assert "\n" not in str(caught.value)
