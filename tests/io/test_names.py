"""Names: safe signs only, never two inputs of one name, ids that stay."""

from hypothesis import given
from hypothesis import strategies as st

from medsr.io.names import case_id, fingerprint, safe, shard_of

names = st.text(min_size=1).filter(lambda text: text.strip("/.") != "")


@given(names)
def test_a_safe_name_has_safe_signs_and_stays_as_it_is(name):
    made = safe(name)
    assert all(sign.isascii() and (sign.isalnum() or sign in "._-/") for sign in made)
    assert ".." not in made.split("/")
    assert safe(made) == made


@given(names, names)
def test_what_had_to_change_never_collides(one, other):
    parts = [[part for part in name.split("/") if part not in ("", ".")] for name in (one, other)]
    assert (safe(one) == safe(other)) == (parts[0] == parts[1])


@given(st.text(), st.integers(1, 50))
def test_every_case_is_in_one_shard(identity, count):
    assert 0 <= shard_of(case_id(identity), count) < count


def test_a_fingerprint_sees_another_file(tmp_path):
    (tmp_path / "a").write_bytes(b"12")
    before = fingerprint([tmp_path / "a"])
    assert before == fingerprint([tmp_path / "a"])
    (tmp_path / "a").write_bytes(b"123")
    assert fingerprint([tmp_path / "a"]) != before
    assert fingerprint([tmp_path / "missing"]) == ""
