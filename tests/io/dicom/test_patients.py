"""Series of one patient go together, series of two do not, and nobody is named."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_phantoms import SECRET, write_classic
from phantoms import affine

from medsr.errors import InputError
from medsr.io.dicom.patients import check_one_patient
from medsr.io.dicom.reading import read_dicom_scans

DATA = np.arange(8 * 8 * 4, dtype=np.int16).reshape(8, 8, 4)


def stack(folder, **tags):
    """The slices of a series with these tags."""

    def edit(dataset, k):
        for name, value in tags.items():
            setattr(dataset, name, value)

    write_classic(folder, DATA, affine((1, 1, 3)), prefix=folder.name, edit=edit)
    return read_dicom_scans(folder)[0].stack


def test_series_of_one_patient_and_files_that_name_none_go_together(tmp_path):
    one = stack(tmp_path / "a", PatientBirthDate="19700101")
    check_one_patient([one, None, stack(tmp_path / "b", PatientBirthDate=""), stack(tmp_path / "c")])
    check_one_patient([one, stack(tmp_path / "d", PatientID="", PatientBirthDate="19700101")])
    check_one_patient([None, None])


@pytest.mark.parametrize(("tag", "value"), [("PatientID", f"{SECRET}2"), ("PatientBirthDate", "19700102")])
def test_an_id_or_a_birth_date_that_differs_is_refused_without_a_word_of_either(tmp_path, tag, value):
    one = stack(tmp_path / "a", PatientBirthDate="19700101")
    nobody = stack(tmp_path / "b", PatientID="", PatientBirthDate="")
    other = stack(tmp_path / "c", **{tag: value})
    with pytest.raises(InputError, match=f"stacks 1 and 4 are of different patients, as their {tag} says") as caught:
        check_one_patient([one, None, nobody, other])
    assert SECRET not in str(caught.value)
    assert "1970" not in str(caught.value)
