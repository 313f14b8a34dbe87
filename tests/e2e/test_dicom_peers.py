"""What other programs say of a derived series: dicom3tools of its headers, dcm2niix and highdicom of its place.

Every good series of the shared folder is refined, by cutting its slices, which needs no network and tests the same
headers.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import warnings
from dataclasses import replace
from itertools import islice
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian

from medsr.affine import resized
from medsr.io import load
from medsr.io.dicom.archive import write_all
from medsr.io.dicom.derivation import Derivation
from medsr.io.dicom.derived import DerivedSeries
from medsr.io.dicom.encoding import encoded
from medsr.io.dicom.headers import sop_class
from medsr.io.dicom.reading import read_dicom_scans

DERIVATION = Derivation("Made by a test.", "{}", {"name": "tiny", "version": "1", "sha256": "ab" * 32})
GOOD = (
    *("ct_body_overlap_siemens_j2k", "ct_classic_tiny_ge", "ct_head_1mm_philips_j2k", "ct_head_5mm_philips"),
    *("ct_head_5mm_philips_jpegls", "ct_legacy_enhanced_tiny_ge", "mr_asl_7p5mm_siemens_xa30_enhanced"),
    *("mr_bigendian_philips", "mr_brain_pd_7mm_ge", "mr_brain_pd_7mm_ge_j2k", "mr_brain_pd_7mm_ge_jpegll"),
    *("mr_brain_pd_7mm_ge_jpegls", "mr_brain_pd_7mm_ge_rle", "mr_cor_15mm_ge", "mr_deflated_philips"),
    *("mr_dwi_b0_siemens_xa30_enhanced", "mr_epi_5mm_ge", "mr_head_sag_4p8mm_siemens", "mr_monochrome1_philips"),
    *("mr_oblique_4mm_hitachi", "mr_pcasl_4mm_philips", "mr_pcasl_4mm_philips_enhanced", "mr_rot180_implicit"),
    *("mr_t1_cor_5p3mm_recut_j2k", "mr_t1_oblique_iso_implicit", "mr_t1_sag_2mm_siemens_j2k"),
    *("mr_t1_sag_2mm_siemens_jpegll", "mr_t2_hyperfine_enhanced", "mr_varying_slope_philips"),
)
PLACED = ("ct_head_5mm_philips", "mr_head_sag_4p8mm_siemens", "mr_oblique_4mm_hitachi", "mr_pcasl_4mm_philips_enhanced")
needs_dicom3tools = pytest.mark.skipif(
    not (shutil.which("dciodvfy") and shutil.which("dcentvfy")), reason="needs dciodvfy and dcentvfy of dicom3tools"
)
dcm2niix = shutil.which("dcm2niix", path=str(Path(sys.executable).parent)) or shutil.which("dcm2niix")


def derived(source: Path, kind: str = "result") -> DerivedSeries:
    """A series with twice the slices of `source`."""
    (scan,) = read_dicom_scans(source)
    shape = (*scan.volume.shape[:2], 2 * scan.volume.shape[2])
    matrix = resized(scan.volume.affine, scan.volume.shape, shape)
    volume = replace(scan.volume, data=np.repeat(scan.volume.data, 2, axis=2), affine=matrix, thickness_mm=None)
    return DerivedSeries(volume, scan.stack, replace(DERIVATION, kind=kind))


@pytest.fixture(scope="module", params=PLACED)
def placed(request, shared_data, tmp_path_factory) -> tuple[DerivedSeries, Path]:
    """A series and the folder that it was written to."""
    folder = tmp_path_factory.mktemp("out")
    series = derived(shared_data / "dicom" / request.param)
    write_all([series], folder)
    return series, folder


def errors(path: Path) -> set[str]:
    """Error lines of dciodvfy, without the place of a UID whose root it does not like."""
    said = subprocess.run(["dciodvfy", path], capture_output=True, text=True)
    lines = (said.stdout + said.stderr).splitlines()
    return {re.sub(r" in \(0x.*", "", line.strip()) for line in lines if line.startswith("Error")}


def errors_of_source(shared: Path, name: str, folder: Path) -> set[str]:
    """The recorded errors of a source, and those that show once it is inflated and its class is filled in."""
    text = (shared / "dciodvfy_source.txt").read_text()
    section = next(part for part in text.split("\n## ") if part.startswith(f"{name}/"))
    recorded = {re.sub(r" in \(0x.*", "", line) for line in section.splitlines() if line.startswith("Error")}
    header = dcmread(sorted((shared / name).iterdir())[0])
    if header.file_meta.TransferSyntaxUID.is_deflated or not header.SOPClassUID:
        header.SOPClassUID = sop_class(header)
        header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        header.PixelData = bytes(header.Rows * header.Columns * header.BitsAllocated // 8)
        header["PixelData"].is_undefined_length = False
        header.save_as(folder / "plain.dcm")
        recorded |= errors(folder / "plain.dcm")
    return recorded


@needs_dicom3tools
@pytest.mark.parametrize("name", GOOD)
def test_dicom3tools_find_no_error_that_the_source_did_not_have(shared_data, tmp_path, name):
    known = errors_of_source(shared_data / "dicom", name, tmp_path)
    result = derived(shared_data / "dicom" / name)
    for series in (result, replace(result, derivation=replace(DERIVATION, kind="uncertainty"))):
        for k, content in enumerate(islice(encoded(series), 2)):
            path = tmp_path / f"{series.derivation.kind}{k}.dcm"
            path.write_bytes(content)
            sources = {str(item.ReferencedSOPInstanceUID) for item in dcmread(path).SourceImageSequence}
            new = {line for line in errors(path) - known if not any(f'"{uid}"' in line for uid in sources)}
            assert not new
    entities = subprocess.run(["dcentvfy", *tmp_path.glob("[rs]*.dcm")], capture_output=True, text=True)
    assert "Error" not in entities.stdout + entities.stderr


def test_no_good_series_of_the_shared_folder_is_forgotten(shared_data):
    folders = {path.name for path in (shared_data / "dicom").iterdir() if path.is_dir()}
    assert {name for name in folders if not name.startswith("bad_")} == set(GOOD)


@pytest.mark.skipif(dcm2niix is None, reason="needs dcm2niix")
def test_dcm2niix_converts_it_to_the_same_grid(placed, tmp_path):
    series, folder = placed
    subprocess.run([dcm2niix, "-z", "n", "-f", "x", "-o", tmp_path, folder], check=True, capture_output=True)
    (path,) = tmp_path.glob("*.nii")
    image = nib.load(path)
    to_ours = np.linalg.inv(series.volume.affine) @ image.affine
    indices = np.stack(np.meshgrid(*[np.arange(n) for n in image.shape], indexing="ij")).reshape(3, -1)
    places = to_ours[:3, :3] @ indices + to_ours[:3, 3:]
    whole = np.rint(places).astype(int)
    assert np.abs(places - whole).max() < 1e-3
    step = series.stored.slope
    np.testing.assert_allclose(image.get_fdata().ravel(), series.volume.data[tuple(whole)], atol=0.51 * step)


def test_highdicom_and_medsr_open_it_on_the_same_grid(placed):
    import highdicom

    series, folder = placed
    again = load(folder)
    np.testing.assert_allclose(again.affine, series.volume.affine, atol=1e-5)
    np.testing.assert_allclose(again.data, series.volume.data, atol=0.51 * series.stored.slope)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about values of the source
        headers = [dcmread(path) for path in sorted(folder.iterdir())]
        volume = highdicom.get_volume_from_series(headers, apply_real_world_transform=False)
    turned = np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.affine @ np.eye(4)[:, [2, 1, 0, 3]]
    array = volume.array.transpose(2, 1, 0)
    if turned[:3, 2] @ again.affine[:3, 2] < 0:
        array = array[:, :, ::-1]
        turned[:3, 3] += (again.shape[2] - 1) * turned[:3, 2]
        turned[:3, 2] *= -1
    np.testing.assert_allclose(turned, again.affine, atol=1e-4)
    np.testing.assert_allclose(array, again.data, atol=1e-3)
