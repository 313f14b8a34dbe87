from pathlib import Path

import numpy as np
from phantoms import head

from medsr.validation.report.before_after import before_after


def test_the_picture_is_a_png_of_every_column_and_nothing_half_written_is_left(tmp_path: Path) -> None:
    reference = head((24, 28, 20), (1.0, 1.0, 1.0)).data
    worse = np.asarray(reference + np.float32(5))
    before_after([("iso2", {"cubic": worse, "medsr": reference}, reference, np.ones(3))], tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]
