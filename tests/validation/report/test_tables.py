"""Tables of a report hold only what a study has: no room for a brain, or for a registration, that there was not."""

from __future__ import annotations

from dataclasses import replace

from made_scores import made_score

from medsr.validation.findings import Findings
from medsr.validation.report.export import table_of, text_of
from medsr.validation.report.tables import fits_table, medians_table, scores_table
from medsr.validation.scores import PairFit

PLAIN = Findings((made_score(method="ibp"), made_score(psnr_db=21.0)), {})
WITH_BRAIN = Findings(
    (
        made_score(method="ibp", psnr_brain_db=25.0, ssim_brain=0.90, nrmse_brain=0.056),
        made_score(psnr_db=21.0, psnr_brain_db=27.5, ssim_brain=0.95, nrmse_brain=0.042),
    ),
    {},
)


def test_the_brain_of_every_method_stands_last_in_the_medians_with_its_gain():
    table = medians_table(WITH_BRAIN)
    assert table.heads[-2:] == ("PSNR brain dB", "brain, gain over ibp dB")
    assert [[cell.text for cell in row[-2:]] for row in table.rows] == [["25.00", "0.00"], ["27.50", "+2.50"]]
    assert table.heads[4] == "PSNR interior dB"


def test_the_scores_of_a_case_have_a_row_for_each_number_of_the_brain():
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in scores_table(WITH_BRAIN, "sub-a_T1w", "iso2").rows}
    assert rows["PSNR brain dB"] == ["25.00", "27.50"]
    assert rows["SSIM brain"] == ["0.9000", "0.9500"]
    assert rows["NRMSE brain"] == ["0.0560", "0.0420"]
    assert rows["PSNR brain, gain over ibp dB"] == ["0.00", "+2.50"]


def test_the_text_has_the_brain_after_the_other_columns():
    heading, _, mean = table_of(WITH_BRAIN, "sub-a_T1w", "iso2").splitlines()
    assert heading.endswith("brain, over ibp")
    assert mean.split()[-2:] == ["27.50", "+2.50"]


def test_no_table_tells_of_a_brain_that_no_scan_has():
    heads = (*medians_table(PLAIN).heads, *(row[0].text for row in scores_table(PLAIN, "sub-a_T1w", "iso2").rows))
    assert not [head for head in heads if "brain" in head]
    assert "brain" not in text_of(PLAIN)
    assert all(len(row) == len(medians_table(PLAIN).heads) for row in medians_table(PLAIN).rows)


FIT = PairFit("sub-a_T1w", "pair", 2.0, 1.0, 0.9, 0.2, 1.0, 0.5, "R")
REGISTERED = ("moved mm", "moved deg", "registration error mm")


def test_pairs_say_what_registration_moved_where_it_was_asked_for() -> None:
    moved = replace(FIT, scan="sub-b_T1w", moved_mm=2.7, moved_deg=4.1, registration_error_mm=0.12)
    table = fits_table(Findings((), {}, fits=(FIT, moved)))
    assert table.heads[-3:] == REGISTERED
    assert [[cell.text for cell in row[-3:]] for row in table.rows] == [["–", "–", "–"], ["2.70", "4.10", "0.12"]]
    assert "half" in table.note


def test_pairs_that_were_taken_as_registered_have_no_columns_of_dashes() -> None:
    table = fits_table(Findings((), {}, fits=(FIT,)))
    assert not {*REGISTERED} & {*table.heads}
    assert {len(row) for row in table.rows} == {len(table.heads)}
    assert "registration" not in table.note
