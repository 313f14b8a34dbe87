"""What looks like personal data is found; what cards hold by nature is not."""

from __future__ import annotations

import pytest

from medsr.cards.personal import patterns_in


@pytest.mark.parametrize(
    "text, kind",
    [
        ("write to jane.roe@example.org", "e-mail address"),
        ("scanned on 2011-07-08", "date"),
        ("StudyDate 20110708", "date"),
        ("a folder 07-08-2011/4", "date"),
        ("1.2.840.113619.2.55.3.1", "DICOM UID"),
        ("ROE^JANE", "DICOM person name"),
        ("call +44 20 7946 0958", "telephone number"),
        ("MRN: 0012345", "record number"),
        ("Patient ID 99812", "record number"),
        ("born on 3 May", "date of birth"),
        ("seen by Mrs Roe", "title and name"),
    ],
)
def test_personal_data_is_found(text, kind):
    assert kind in patterns_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "Hanke et al. 2014, Scientific Data 1:140003",
        "doi 10.7937/K9TCIA.2017.MURS5CL and 10.1088/0031-9155/60/14/5471",
        "0.9766x0.9766x3.27 mm, 1.00/1.00/0.98, -1000..1310",
        "3T MPRAGE TE 2.52 TR 2000 TI 900, adult, 26 y",
        "blob 53516e61131bce6a804e6ac5d2f4939c7275b00e",
        "DICOM 2026b, medsr 0.1.0, torch 2.13.0",
        "PDDL (LICENSE in datalad/example-dicom-structural)",
    ],
)
def test_what_cards_hold_by_nature_is_not(text):
    assert patterns_in(text) == []
