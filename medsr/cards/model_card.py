"""`card.json` of a model: what the weights say of themselves and what result files measured of them, never typed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from medsr.cards.schema import Strict, first_fault
from medsr.cards.weights import WeightsFile
from medsr.errors import InputError
from medsr.io import files
from medsr.metrics.table import INTERIOR, WHOLE
from medsr.record import NOTICE

CARD_JSON = "card.json"
GOALS = "goals.toml"
# What is read where it is there, and the command that makes it.
RESULTS = {
    "validation": "pipelines/validate/run.py",
    "variants": "pipelines/validate/run.py",
    "quality": "benchmarks/quality.py",
    "speed": "benchmarks/speed.py",
    "envelope": "benchmarks/envelope.py",
    "wrong_assumptions": "benchmarks/wrong_assumptions.py",
}
SCORED = (INTERIOR.name, WHOLE.name, "ssim", "residual", "drift", "mae")


class Level(Strict):
    """One scan under one task: numbers of each method, by method and name."""

    scan: str
    task: str
    methods: dict[str, dict[str, float | None]]

    def gain_db(self, method: str, over: str, metric: str = WHOLE.name) -> float | None:
        """PSNR of a method minus that of another, None where one of them was not measured."""
        levels = [self.methods.get(name, {}).get(metric) for name in (method, over)]
        return None if levels[0] is None or levels[1] is None else levels[0] - levels[1]


class ModelCard(Strict):
    """Everything in a model card but its prose.

    Attributes:
        name: Name of the model.
        version: Version of the weights.
        notice: What results must not be used for.
        licence: Licence of the weights.
        weights: File name, SHA-256, bytes, number of parameters.
        network: Network specification from the weights' metadata.
        envelope: Inputs that the model takes.
        sample_scale: Scale of a sample's deviation from the mean, in units of the predicted standard deviation.
        calibration: Calibration of the stated uncertainties; None where it was not measured.
        trained: Steps, hashes, versions.
        data_cards: SHA-256 of the manifest by name of the card, as the weights say.
        sources: SHA-256 of each result file that numbers were read from.
        levels: PSNR and the other scores of every scan and task.
        measured: Numbers of the other result files.
    """

    schema_version: Literal[1] = 1
    kind: Literal["model"] = "model"
    name: str
    version: str
    notice: str
    licence: str
    weights: dict[str, str | int]
    network: dict[str, Any]
    envelope: dict[str, Any]
    sample_scale: float
    calibration: dict[str, Any] | None
    trained: dict[str, Any]
    data_cards: dict[str, str]
    sources: dict[str, str]
    levels: tuple[Level, ...]
    measured: dict[str, Any]

    def level(self, scan: str, task: str) -> Level | None:
        """The numbers of one scan under one task."""
        return next((level for level in self.levels if (level.scan, level.task) == (scan, task)), None)


def collect(weights: WeightsFile, results: Path) -> ModelCard:
    """The card of a weights file, with the numbers of the result files that are there.

    Args:
        weights: Result of `read_weights`.
        results: Folder of result files.

    Raises:
        InputError: A result file that can't be read, or was measured on other weights.
    """
    contents = {name: _result(results / f"{name}.json", weights, maker) for name, maker in RESULTS.items()}
    here = {name: content for name, content in contents.items() if content is not None}
    facts = stated(weights)
    return ModelCard(
        **facts,
        sources={f"{name}.json": files.sha256_file(results / f"{name}.json") for name in here},
        levels=_levels(here.pop("validation", {})),
        measured={name: _without_cases(content) for name, content in here.items()},
    )


def stated(weights: WeightsFile) -> dict[str, Any]:
    """What the card takes from the weights file itself."""
    spec = json.loads(json.dumps(asdict(weights.spec)))
    return {
        "name": spec["name"],
        "version": spec["version"],
        "notice": NOTICE,
        "licence": spec["licence"],
        "weights": {
            "file": weights.path.name,
            "sha256": weights.sha256,
            "bytes": weights.size_bytes,
            "parameters": weights.parameters,
        },
        "network": spec["net"],
        "envelope": spec["envelope"],
        "sample_scale": spec["sample_scale"],
        "calibration": spec["calibration"],
        "trained": {key: value for key, value in spec["trained"].items() if key != "cards_sha256"},
        "data_cards": {str(name): str(digest) for name, digest in weights.named_cards.items()},
    }


def read_model_card(folder: Path) -> ModelCard:
    """The card.json of a folder.

    Raises:
        InputError: No such file, not JSON, or not a card of this version.
    """
    path = folder / CARD_JSON
    try:
        return ModelCard.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: can't be read; make it with `medsr cards render`") from error
    except ValidationError as error:
        raise InputError(f"{path}: {first_fault(error)}; make it again with `medsr cards render`") from error


def _result(path: Path, weights: WeightsFile, maker: str) -> dict[str, Any] | None:
    """A result file's content, None where there is none."""
    if not path.is_file():
        return None
    try:
        content = dict(json.loads(path.read_text(encoding="utf-8")))
        digest = str(content.pop("model")["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} does not say which weights it measured; run {maker} again") from error
    if digest != weights.sha256:
        raise InputError(
            f"{path} measured weights {digest[:12]}..., {weights.path.name} has {weights.sha256[:12]}...; "
            f"run {maker} again"
        )
    return content


def _levels(content: Mapping[str, Any]) -> tuple[Level, ...]:
    """The scores of a validation, grouped by scan and task."""
    groups: dict[tuple[str, str], dict[str, dict[str, float | None]]] = {}
    try:
        for score in content.get("scores", ()):
            scan = str(score["scan"]).removeprefix("sub-")
            methods = groups.setdefault((scan, str(score["task"])), {})
            methods[str(score["method"])] = {name: score.get(name) for name in SCORED}
        return tuple(Level(scan=scan, task=task, methods=methods) for (scan, task), methods in groups.items())
    except (KeyError, TypeError, ValidationError) as error:
        raise InputError(
            "validation.json is not a result of this version; run pipelines/validate/run.py again"
        ) from error


def _without_cases(content: Mapping[str, Any]) -> dict[str, Any]:
    """A result without its list of single cases, which a card does not need."""
    return {key: value for key, value in content.items() if key != "cases"}
