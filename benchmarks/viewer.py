"""The longest gap between two paints while a 512 x 512 x 300 CT is scrolled and a region of it is enhanced.

Needs a display: `xvfb-run -a -s "-screen 0 1600x1000x24" .venv/bin/python benchmarks/viewer.py`.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

SHAPE = (512, 512, 300)
SPACING_MM = (0.8, 0.8, 2.0)
LIMIT_MS = 500
SCROLL_MS = 40
BOX_VOX, DEPTH_MM = 96, 60.0
SECONDS = 20.0  # of scrolling at least, however quick the region is
RESULTS = Path(__file__).parents[1] / "results" / "viewer.json"


def write_ct(path: Path) -> None:
    """A noisy cylinder in HU, so that the benchmark needs no scan."""
    rng = np.random.default_rng(0)
    i, j = (np.linspace(-1, 1, n, dtype=np.float32) for n in SHAPE[:2])
    inside = (i[:, None] ** 2 + j[None, :] ** 2) < 0.7
    data = np.empty(SHAPE, np.int16)
    for k in range(SHAPE[2]):
        texture = rng.normal(40, 20, SHAPE[:2])
        data[:, :, k] = np.where(inside, texture, -1000)
    nib.save(nib.Nifti1Image(data, np.diag([*SPACING_MM, 1.0])), path)


class Paints:
    """The times at which the canvas was painted."""

    def __init__(self) -> None:
        from qtpy.QtCore import QEvent, QObject
        from qtpy.QtOpenGLWidgets import QOpenGLWidget
        from qtpy.QtWidgets import QApplication

        self.times: list[float] = []
        times = self.times

        class Filter(QObject):  # type: ignore[misc]
            def eventFilter(self, watched: Any, event: Any) -> bool:
                if event.type() == QEvent.Type.Paint:
                    times.append(time.monotonic())
                return False

        self._filter = Filter()
        canvases = [widget for widget in QApplication.allWidgets() if isinstance(widget, QOpenGLWidget)]
        for canvas in canvases:
            canvas.installEventFilter(self._filter)

    def gaps_ms(self) -> list[float]:
        """Gaps between paints."""
        return [1000 * (b - a) for a, b in pairwise(self.times)]


def measure(path: Path) -> dict[str, Any]:
    """Open, start, scroll until the region is done."""
    import napari
    from qtpy.QtCore import QEventLoop, QTimer

    viewer = napari.Viewer(show=True)
    began = time.monotonic()
    viewer.open(str(path), plugin="medsr")
    opened = time.monotonic() - began
    dock = viewer.window.add_plugin_dock_widget("medsr", "Enhance")[1]
    scan = viewer.layers[0]
    dock.form.region_kind.setCurrentIndex(dock.form.region_kind.findData("box"))
    dock.draw_box()
    low = np.array(scan.data_to_world((150, 200, 200)))
    high = np.array(scan.data_to_world((150, 200 + BOX_VOX, 200 + BOX_VOX)))
    box = viewer.layers["medsr box"]
    box.add_rectangles(np.array([low, (low[0], low[1], high[2]), high, (low[0], high[1], low[2])]))
    box.mode = "pan_zoom"
    dock.form.depth_mm.setValue(DEPTH_MM)
    loop, poll, scroll = QEventLoop(), QTimer(), QTimer()

    def until(condition: Any) -> None:
        poll.timeout.connect(lambda: condition() and loop.quit())
        poll.start(20)
        loop.exec()
        poll.stop()
        poll.timeout.disconnect()

    until(lambda: "voxels of" in dock.estimate.text())
    paints = Paints()
    step = iter(range(10**9))
    scroll.timeout.connect(lambda: viewer.dims.set_current_step(0, next(step) % SHAPE[2]))
    scroll.start(SCROLL_MS)
    began = time.monotonic()
    dock.run()
    until(lambda: dock.go.isEnabled() and time.monotonic() - began > SECONDS)
    scroll.stop()
    gaps = paints.gaps_ms()
    facts = {
        "machine": f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}",
        "opened_s": round(opened, 2),
        "run": dock.status.text(),
        "region": list(viewer.layers[-1].data.shape),
        "paints": len(gaps),
        "median_gap_ms": round(statistics.median(gaps)),
        "p99_gap_ms": round(float(np.percentile(gaps, 99))),
        "longest_gap_ms": round(max(gaps)),
        "limit_ms": LIMIT_MS,
    }
    viewer.close()
    return facts


def main() -> int:
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        print("no display, nothing measured; run it under xvfb-run")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NAPARI_CONFIG"] = str(Path(folder) / "settings.yaml")
        path = Path(folder) / "ct.nii"
        write_ct(path)
        facts = measure(path)
    for name, value in facts.items():
        print(f"{name:<16}{value}")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(facts, indent=1) + "\n")
    return 0 if facts["longest_gap_ms"] < LIMIT_MS else 1


if __name__ == "__main__":
    sys.exit(main())
