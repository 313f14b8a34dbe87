"""A score holds every metric of the table, and its row has them in their order."""

from __future__ import annotations

import pytest
from made_scores import made_score

from medsr.metrics.table import NAMES
from medsr.validation.scores import PLACES, Score


def test_a_row_has_the_metrics_in_the_order_of_the_table():
    score = made_score(psnr_db=31.0)
    turned = Score(score.scan, score.task, score.axes, score.method, dict(reversed(score.values.items())))
    assert list(turned.row()) == [*PLACES, *NAMES]
    assert turned.row()["psnr_db"] == score["psnr_db"] == 31.0


@pytest.mark.parametrize("change", [{"fid": 1.0}, {"comb": None}])
def test_a_score_with_other_metrics_than_the_table_is_refused(change):
    values = {**made_score().values, **change}
    with pytest.raises(ValueError, match=next(iter(change))):
        Score("a", "iso2", "S", "mean", {name: value for name, value in values.items() if value is not None})
