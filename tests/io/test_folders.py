"""Links and hidden folders in a tree."""

from __future__ import annotations

from medsr.io import folders


def test_links_to_folders_elsewhere_are_followed_once_and_others_are_listed(tmp_path):
    root, store = tmp_path / "root", tmp_path / "store"
    for folder in (root / "real", store, root / ".hidden"):
        folder.mkdir(parents=True)
        (folder / "file").touch()
    (root / "a").symlink_to(store)
    (root / "b").symlink_to(store)
    (root / "inside").symlink_to(root / "real")
    (root / "unlocked").symlink_to(root / ".hidden")
    (root / "real" / "loop").symlink_to(root)
    (store / "above").symlink_to(tmp_path)
    found = {path.relative_to(root).as_posix() for path in folders.tree(root)}
    assert found == {".hidden", "a/file", "a/above", "b", "inside", "real/file", "real/loop", "unlocked/file"}
    said = {name: folders.not_searched(root / name) for name in found}
    assert {name for name, reason in said.items() if reason == folders.LINKED} == {
        "a/above",
        "b",
        "inside",
        "real/loop",
    }
    assert {name for name, reason in said.items() if reason == folders.HIDDEN} == {".hidden"}
    assert root / "real" / "file" not in folders.tree(root, without=root / "real")
