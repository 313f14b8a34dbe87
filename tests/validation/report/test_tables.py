"""The brain in tables: where no scan has a mask of it, it takes no room."""

from __future__ import annotations

from made_scores import made_score

from medsr.validation.findings import Findings
from medsr.validation.report.export import table_of, text_of
from medsr.validation.report.tables import medians_table, scores_table

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
