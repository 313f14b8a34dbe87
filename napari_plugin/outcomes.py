"""What medsr made of a layer's scan, as layers on the same place; without Qt and without napari."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsr.enhancement.settings import EnhanceSettings
from medsr.volume import Volume
from medsr.worker.parent import Event

from .layers import METADATA_KEY, LayerData, layer_of

DIFFERENCE_COLOURS = {
    "name": "medsr difference",
    "colors": [[0.2, 0.6, 1.0, 1.0], [0.0, 0.0, 0.0, 1.0], [1.0, 0.5, 0.1, 1.0]],
}
UNCERTAINTY_COLOURS = {
    "name": "medsr uncertainty",
    "colors": [[1.0, 0.2, 0.0, 0.0], [1.0, 0.4, 0.0, 0.4], [1.0, 0.9, 0.2, 0.8]],
}
UNCERTAINTY_FROM = 0.4  # share of full colour: less is not shown to begin with
FULL_COLOUR_PERCENTILE = 99.8  # percentile of the uncertainty, and of the size of differences
STEP_LABEL = "step"
WALK = {
    "noisy": "refining",
    "clean": "refining, estimate",
    "measured": "refining, measured",
    "prior": "refining, prior",
}  # the scans of a step, the last one on top
SHOWN_OF_WALK = "noisy"
TITLES = {"mean": "mean", "sample": "sample", "uncertainty": "mean"}  # what the enhanced layer is called
OTHER_UNIT = "pixel"  # napari has no word for an axis of steps


class Made:
    """How layers made of one scan layer look and what they remember.

    Args:
        name: Name of the scan's layer.
        metadata: Metadata of the scan's layer, the part of medsr.
        contrast_limits: Grey window of the scan's layer.
        of: Identifier of the scan's layer.
    """

    def __init__(self, name: str, metadata: Mapping[str, Any], contrast_limits: tuple[float, float], of: str) -> None:
        self._name, self._frame, self._limits, self._of = name, metadata.get("frame"), contrast_limits, of
        self._path = str(metadata.get("path", ""))

    def scan(self, volume: Volume, role: str, title: str, **facts: Any) -> LayerData:
        """A scan in the grey window of its source.

        Args:
            volume: What was made.
            role: Role of the layer, "enhanced" or "cubic".
            title: Name of the layer before that of the scan.
            **facts: Entries of the metadata, such as the record.
        """
        return self._layer(volume, title, {"role": role, **facts}, contrast_limits=self._limits)

    def uncertainty(self, volume: Volume, title: str = "uncertainty", **facts: Any) -> LayerData:
        """Where the result may be off, in colour over the scan, clear where it is sure."""
        high = _percentile(volume.data)
        looks = {"contrast_limits": (UNCERTAINTY_FROM * high, high), "colormap": UNCERTAINTY_COLOURS}
        return self._layer(volume, title, {"role": "uncertainty", **facts}, **looks, blending="translucent_no_depth")

    def difference(self, volume: Volume, role: str, title: str, **facts: Any) -> LayerData:
        """A signed map: blue below zero, black at zero, orange above.

        Args:
            volume: What was made.
            role: Role of the layer, "difference" or "residual".
            title: Name of the layer before that of the scan.
            **facts: Entries of the metadata.
        """
        high = _percentile(np.abs(volume.data))
        looks = {"contrast_limits": (-high, high), "colormap": DIFFERENCE_COLOURS}
        return self._layer(volume, title, {"role": role, **facts}, **looks)

    def step(self, scans: Mapping[str, Volume]) -> list[LayerData]:
        """A step of a sample, a layer for each of its scans, of which the noisy one is shown.

        Args:
            scans: Scans by the names of `WALK`.
        """
        layers = []
        for name, title in WALK.items():
            make = self.difference if name == "prior" else self.scan
            data, keywords, kind = make(scans[name], "steps", title)
            layers.append((data, {**keywords, "visible": name == SHOWN_OF_WALK}, kind))
        return layers

    def steps(self, first: LayerData, n_steps: int) -> LayerData:
        """A layer with a step axis before the scan's own, its first step filled; the others take no memory yet."""
        data, keywords, kind = first
        states: NDArray[np.float32] = np.zeros((n_steps, *data.shape), np.float32)
        states[0] = data
        keywords |= {
            "scale": (1.0, *keywords["scale"]),
            "translate": (0.0, *keywords["translate"]),
            "units": (OTHER_UNIT, *keywords["units"]),
            "axis_labels": (STEP_LABEL, *keywords["axis_labels"]),
        }
        return states, keywords, kind

    def _layer(self, volume: Volume, title: str, facts: Mapping[str, Any], **looks: Any) -> LayerData:
        data, keywords, kind = layer_of(volume, f"{title}: {self._name}", frame=self._frame, path=self._path)
        keywords["metadata"][METADATA_KEY] |= {"of": self._of, **facts}
        return data, keywords | looks, kind


def layers_of(made: Made, event: Event, settings: EnhanceSettings) -> Any:
    """Layers of what came back from the job "enhance", made on the thread that received it; None for a report.

    Args:
        made: How the layers look.
        event: What came back.
        settings: What was asked.
    """
    content = event.content
    if event.kind == "state":
        step = made.step(content)
        return step if content["number"] else [made.steps(one, content["steps"]) for one in step]
    if event.kind != "done":
        return None
    n_stacks = len(content["record"]["stacks"])
    where = f", {n_stacks} stacks" if n_stacks else "" if settings.region is None else ", region"
    facts = {"record": content["record"], "settings": settings.to_dict()}
    layers = [made.scan(content["enhanced"], "enhanced", f"{TITLES[settings.mode]}{where}", **facts)]
    if content["uncertainty"] is not None:
        layers.append(made.uncertainty(content["uncertainty"], f"uncertainty{where}", **facts))
    return layers


def _percentile(data: NDArray[np.float32]) -> float:
    step = max(1, data.size // 200_000)
    return float(np.percentile(data.reshape(-1)[::step], FULL_COLOUR_PERCENTILE)) or 1.0
