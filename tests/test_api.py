"""The public API: what `medsr` exports, what it costs to import, and that every name is typed."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from phantoms import head
from tiny_models import tiny_model

import medsr
from medsr.enhancement.enhancement import enhance
from medsr.errors import InputError
from medsr.fusion.fusion import fuse
from medsr.physics.acquisition import acquisition_of

SCAN = head((14, 16, 6), (1.0, 1.0, 2.5))
PUBLIC = {
    "EnhanceSettings",
    "Volume",
    "degrade",
    "enhance",
    "errors",
    "load",
    "load_all",
    "load_model",
    "save",
    "validate",
}
TYPED = """
from pathlib import Path

import medsr
from medsr.validation.recipe import StudyRecipe

volume = medsr.load("scan.nii.gz")
every = medsr.load_all(Path("scan.nii.gz"))
model = medsr.load_model("medsr-base", "cpu")
settings = medsr.EnhanceSettings(mode="uncertainty", samples=4)
result = medsr.enhance(volume, model, settings)
default = medsr.enhance("scan.nii.gz")
medsr.save(result.volume, "enhanced.nii.gz")
degraded, acquisition = medsr.degrade(volume, "thick5")
study = medsr.validate([Path("scan.nii.gz")], StudyRecipe())
reveal_type(medsr.load)
reveal_type(medsr.load_all)
reveal_type(medsr.load_model)
reveal_type(medsr.save)
reveal_type(medsr.degrade)
reveal_type(medsr.validate)
reveal_type(medsr.errors.MedsrError)
reveal_type(volume)
reveal_type(every)
reveal_type(model)
reveal_type(settings)
reveal_type(result)
reveal_type(default.uncertainty)
reveal_type(degraded)
reveal_type(acquisition)
reveal_type(study)
"""


@pytest.fixture
def shipped(monkeypatch):
    """A small model in the place of the shipped one; what was asked for is kept."""
    asked = []
    monkeypatch.setattr(
        "medsr.enhancement.enhancement.load_model", lambda name, device: asked.append((name, device)) or tiny_model()
    )
    return asked


def test_every_public_name_is_listed_and_there():
    assert set(dir(medsr)) >= PUBLIC
    assert set(medsr.__all__) == PUBLIC | {"__version__"}
    for name in medsr.__all__:
        assert getattr(medsr, name) is not None
    with pytest.raises(AttributeError, match="colour"):
        _ = medsr.colour


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_takes_neither_torch_nor_a_file_format():
    heavy = ("torch", "numpy", "nibabel", "pydicom", "pydantic", "scipy")
    assert run(f"import sys, medsr; print([name for name in {heavy} if name in sys.modules])") == "[]"
    assert run(f"import sys, medsr; medsr.enhance; print([name for name in {heavy} if name in sys.modules])") == "[]"


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 2.5), (1.0, 1.0, 1.0)])
def test_inspecting_a_nifti_takes_no_torch(tmp_path, spacing_mm):
    medsr.save(head((40, 40, 40), spacing_mm), tmp_path / "scan.nii.gz")
    code = (
        f"import sys; from medsr.cli.app import run; code = run(['inspect', {str(tmp_path / 'scan.nii.gz')!r}]); "
        "heavy = ('torch', 'scipy.interpolate', 'rich', 'highdicom', 'medsr.io.dicom.triage'); "
        "print(code, [name for name in heavy if name in sys.modules])"
    )
    assert run(code).splitlines()[-1] == "0 []"


def test_the_public_function_is_called_as_the_one_that_does_the_work():
    ours, work, several = (dict(inspect.signature(one).parameters) for one in (medsr.enhance, enhance, fuse))
    grid = ours.pop("grid")  # which several stacks alone have
    assert (grid.kind, grid.default) == (several["grid"].kind, several["grid"].default)
    assert list(ours) == list(work)
    assert (
        ours.pop("scan").default is work.pop("scan").default is inspect.Parameter.empty
    )  # several stacks are a scan too
    assert ours == work


def test_enhancing_a_nifti_imports_nothing_that_it_does_not_use(tmp_path):
    medsr.save(SCAN, tmp_path / "scan.nii.gz")
    code = (
        "import sys, medsr; import medsr.enhancement.enhancement; medsr.load_model(device='cpu'); "
        f"medsr.load({str(tmp_path / 'scan.nii.gz')!r}); "
        "heavy = ('scipy.stats', 'pydicom.sr', 'highdicom', 'matplotlib', 'monai', 'skimage', 'pydantic', "
        "'torch._dynamo'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    assert run(code) == "[]"


def test_a_path_is_enhanced_by_the_default_model(shipped, tmp_path):
    medsr.save(SCAN, tmp_path / "scan.nii.gz")
    from_path = medsr.enhance(tmp_path / "scan.nii.gz")
    assert shipped == [("medsr-base", "auto")]
    from_volume = medsr.enhance(medsr.load(tmp_path / "scan.nii.gz"))
    np.testing.assert_array_equal(from_path.volume.data, from_volume.volume.data)
    assert from_path.volume.shape == acquisition_of(SCAN).fine_shape


def test_the_settings_choose_the_model_and_the_device(shipped):
    medsr.enhance(SCAN, settings=medsr.EnhanceSettings(model="other", device="cpu"))
    assert shipped == [("other", "cpu")]
    medsr.enhance(SCAN, tiny_model())
    assert len(shipped) == 1  # a model that is given is not loaded again


def test_the_settings_decide_about_grid_modality_and_region():
    asked = medsr.EnhanceSettings(factors=(1, 1, 2), profile="box", thickness_mm=2.0, modality="CT", noise=5.0)
    result = medsr.enhance(SCAN, tiny_model(), asked)
    assert result.record.task == acquisition_of(SCAN, factors=(1, 1, 2), profile="box", thickness_mm=2.0).summary()
    assert result.record.input["modality"] == "CT"
    box = ((2, 3, 0), (10, 12, 6))
    part = medsr.enhance(SCAN, tiny_model(), medsr.EnhanceSettings(factors=(1, 1, 2), region=box))
    assert part.volume.shape == (8, 9, 12)


def test_a_path_of_several_scans_is_refused(shipped, tmp_path):
    medsr.save([SCAN, SCAN], tmp_path / "both.nii.gz")
    with pytest.raises(InputError, match="2 volumes"):
        medsr.enhance(tmp_path / "both.nii.gz")


def test_a_result_is_one_line():
    text = repr(medsr.enhance(SCAN, tiny_model(), medsr.EnhanceSettings(noise=3.0)))
    assert "\n" not in text
    assert text.startswith("Enhancement(Volume(")
    assert len(text) < 160


@pytest.mark.slow
def test_a_typed_script_sees_no_any(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        TYPED.replace("import medsr\n", "import medsr\nfrom medsr.validation.recipe import StudyRecipe\n", 1)
    )
    command = [sys.executable, "-m", "mypy", "--strict", str(script)]  # in the repository, whose cache it shares
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert done.returncode == 0, done.stdout + done.stderr
    revealed = [line for line in done.stdout.splitlines() if "Revealed type" in line]
    assert len(revealed) == TYPED.count("reveal_type")
    assert not [line for line in revealed if "Any" in line.replace("numpy.dtype[Any]", "")]
