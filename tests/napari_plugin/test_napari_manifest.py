"""The manifest is valid and the plugin is light."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import entry_points, requires
from importlib.resources import files

import medsr_napari
import pytest
import yaml

from medsr.enhancement.settings import MODES, EnhanceSettings
from medsr.io.formats import FORMATS


def run_python(*arguments):
    """Output of a fresh interpreter; asserts that it succeeds."""
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_manifest_is_valid_and_its_commands_can_be_imported():
    # in its own process: npe2 uses what newer pydantic versions warn about
    (folder,) = {path for path in medsr_napari.__path__ if "__editable__" not in path}
    run_python("-m", "npe2", "validate", f"{folder}/napari.yaml")
    run_python("-m", "npe2", "validate", "--imports", "medsr")


def test_napari_offers_every_format_to_open_and_to_save():
    manifest = yaml.safe_load(files(medsr_napari).joinpath("napari.yaml").read_text())["contributions"]
    (reader,) = manifest["readers"]
    writers = [writer for writer in manifest["writers"] if writer["command"] == "medsr.write_file"]
    written = {suffix for writer in writers for suffix in writer["filename_extensions"]}
    for known in FORMATS.values():
        assert {f"*{suffix}" for suffix in (*known.suffixes, *known.headers)} <= set(reader["filename_patterns"])
        assert written.intersection(known.suffixes) == (set(known.suffixes) if known.writer else set())


def test_the_preferences_offer_the_modes_of_the_settings():
    manifest = yaml.safe_load(files(medsr_napari).joinpath("napari.yaml").read_text())["contributions"]
    mode = manifest["configurations"]["run"]["properties"]["mode"]
    assert (tuple(mode["enum"]), mode["default"]) == (MODES, EnhanceSettings.mode)


def test_no_qt_binding_is_among_the_dependencies():
    wanted = " ".join(requires("medsr") or []).lower()
    plain = re.sub(r"\S+[^;]*; extra == \S+", "", wanted)
    assert not any(name in plain for name in ("pyqt", "pyside", "napari"))
    assert "napari[" not in wanted


def test_napari_finds_the_manifest():
    (entry,) = entry_points(group="napari.manifest", name="medsr")
    assert entry.value == "medsr_napari:napari.yaml"


@pytest.mark.parametrize(
    "chore",
    [
        "import medsr_napari, medsr_napari.readers, medsr_napari.writers, medsr_napari.layers, medsr_napari.outcomes",
        "from medsr_napari.readers import sample_layers; sample_layers()",
    ],
)
def test_importing_the_plugin_and_opening_a_scan_take_no_heavy_package_with_them(chore):
    heavy = ("torch", "monai", "napari", "qtpy", "matplotlib")
    assert run_python("-c", f"{chore}; import sys; print([name for name in {heavy} if name in sys.modules])") == "[]\n"


def test_widgets_take_neither_torch_nor_monai_with_them():
    pytest.importorskip("qtpy", reason="napari is not installed")
    names = ", ".join(f"medsr_napari.{name}_widget" for name in ("enhance", "compare", "checks", "batch"))
    code = f"import {names}, sys; print([name for name in ('torch', 'monai') if name in sys.modules])"
    assert run_python("-c", code) == "[]\n"
