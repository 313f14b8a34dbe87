"""The jobs of the viewer's worker process (`medsr.worker.child`): each from JSON to a function and back.

Requests hold scans as `exchange` packs them and settings as `EnhanceSettings.to_dict` writes them; `onto` names the
grid of a layer, `watch` asks for every step of a sample, `stacks` are fused with the scan. The model that
the settings name is loaded where it is another one than the worker began with.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from medsr.batch.recipe import BatchRecipe
from medsr.batch.run import begin, plan_batch, run_plan
from medsr.engine.outcome import Outcome, Tally
from medsr.engine.plan_file import PlannedCase
from medsr.enhancement.assumed import acquisition_for, as_acquired
from medsr.enhancement.enhancement import enhance
from medsr.enhancement.envelope import judge
from medsr.enhancement.estimate import Estimate, estimate, measured_speed, seconds_left
from medsr.enhancement.leading import led_model
from medsr.enhancement.memory import free_memory, usable_memory
from medsr.enhancement.posterior import OnProgress
from medsr.enhancement.region import Box, part_of
from medsr.enhancement.result import Enhancement
from medsr.enhancement.settings import EnhanceSettings
from medsr.fusion.checks import check_grid, check_request
from medsr.fusion.fusion import fuse
from medsr.fusion.grid import Grid, spacing_of
from medsr.io.recipes import parsed
from medsr.model.allocator import keep_freed_memory
from medsr.model.weights import Model, load_model
from medsr.model.weights_file import weights_path
from medsr.viewing import checks
from medsr.viewing.comparison import cubic_and_difference, factors_onto
from medsr.viewing.exchange import outline, packed, unpacked
from medsr.viewing.watching import watching
from medsr.volume import Volume
from medsr.worker.child import Job, Report

METHODS = {"mean": "mean", "uncertainty": "mean", "sample": "sample"}  # what the result of a mode is called in a report


@dataclass(frozen=True)
class Ready:
    """What the worker process keeps between jobs.

    Attributes:
        model: The loaded model.
        voxels_per_s: Speed of one evaluation on this machine.
        folder: Folder for voxels on their way back.
        name: Name or file of the model, as settings name it.
    """

    model: Model
    voxels_per_s: float
    folder: Path
    name: str = EnhanceSettings.model


def start(options: dict[str, Any]) -> Ready:
    """Load the model and measure the machine.

    Args:
        options: Values of `folder` (for voxels), `model` and `device`.
    """
    keep_freed_memory()
    name = options.get("model", EnhanceSettings.model)
    model = load_model(name, options.get("device", EnhanceSettings.device))
    return Ready(model, measured_speed(model), Path(options["folder"]), name)


def plan(ready: Ready, request: dict[str, Any], report: Report) -> dict[str, Any]:
    """What a request comes to: `Estimate` as plain values, the memory that is free, the device.

    Of several stacks, the time is that of all and the rest that of the first.
    """
    scan, settings = outline(request["scan"]), _settings(request)
    stacks = [outline(one) for one in request.get("stacks", ())]
    grid = _grid(request)
    asked = [settings] * (1 + len(stacks))
    if stacks:
        check_request(settings)
        # stacks share a grid, but differ in what they are refined to
        asked = [replace(settings, spacing_mm=None)] * (1 + len(stacks))
    if grid is not None:
        check_grid(grid, [scan, *stacks], settings, None)
        asked = [replace(settings, spacing_mm=spacing_of(one, grid.along(one))) for one in (scan, *stacks)]
    ready = _with_model(ready, settings.model)
    limit = request.get("memory_limit")
    needs, shape = _estimate(ready, scan, asked[0], limit)
    others = zip(stacks, asked[1:], strict=True)
    seconds = needs.seconds + sum(_estimate(ready, one, each, limit)[0].seconds for one, each in others)
    return {
        **asdict(needs),
        "seconds": seconds,
        "n_stacks": 1 + len(stacks),
        "factors": settings.factors,
        "result_shape": shape if grid is None else list(grid.shape),
        "free_memory": free_memory(),
        "device": ready.model.device.type,
        "model": ready.model.spec.name,
    }


def judge_scan(ready: Ready, request: dict[str, Any], report: Report) -> dict[str, Any]:
    """What the envelope says of a scan's voxels: objections, and notices of what lies at its edge.

    The grid's part is in every plan; this one holds for a scan whatever is asked.
    """
    scan, acquisition = as_acquired(unpacked(request["scan"]), EnhanceSettings())
    envelope = _with_model(ready, request.get("model", ready.name)).model.spec.envelope
    whole, grid = judge(scan, acquisition, envelope), judge(scan, acquisition, envelope, voxels=False)
    return {
        "objections": [text for text in whole.objections if text not in grid.objections],
        "notices": [text for text in whole.notices if text not in grid.notices],
    }


def enhance_scan(ready: Ready, request: dict[str, Any], report: Report) -> dict[str, Any]:
    """Enhance a scan or a region of it, or fuse it with stacks; reports progress and, if watched, a sample's steps."""
    scan, settings, limit = unpacked(request["scan"]), _settings(request), request.get("memory_limit")
    ready = _with_model(ready, settings.model)
    stacks = [unpacked(one) for one in request.get("stacks", ())]
    if stacks:
        told, grid = _reporting(report), _grid(request)
        return _answer(ready, fuse([scan, *stacks], ready.model, settings, told, grid=grid, memory_bytes=limit))
    is_watched = request.get("watch", False) and settings.mode == "sample"
    needs = _estimate(ready, scan, settings, limit) if is_watched else None
    on_state = None if needs is None else watching(report, ready.folder, settings.steps, *needs)
    result = enhance(scan, ready.model, settings, on_progress=_reporting(report), on_state=on_state, memory_bytes=limit)
    return _answer(ready, result)


def compare(ready: Ready, request: dict[str, Any], report: Report) -> dict[str, Any]:
    """The scan in cubic interpolation on a result's grid, and what the result changed of that."""
    plain, difference = cubic_and_difference(unpacked(request["scan"]), unpacked(request["result"]))
    return {"cubic": packed(plain, ready.folder), "difference": packed(difference, ready.folder)}


def check(ready: Ready, request: dict[str, Any], report: Report) -> dict[str, Any]:
    """The result against a reference where one is given, and against the scan in any case; may write the report."""
    settings = parsed(EnhanceSettings, request.get("settings", {}), "settings")
    question = checks.Question(
        unpacked(request["scan"]),
        unpacked(request["result"]),
        settings.profile,
        settings.thickness_mm,
        METHODS[settings.mode] if request.get("settings") else "result",
    )
    fidelity = checks.against_scan(question)
    answer: dict[str, Any] = {
        "residual": fidelity.residual,
        "worst": fidelity.worst,
        "worst_mm": fidelity.worst_mm,
        "map": packed(fidelity.map, ready.folder),
        "rows": [],
        "written": [],
    }
    if "reference" in request:
        region = request.get("region_mm")
        corners = None if region is None else (np.array(region[0]), np.array(region[1]))
        checked = checks.against_reference(question, unpacked(request["reference"]), request.get("model", {}), corners)
        answer["rows"] = checks.rows_of(checked.findings)
        if request.get("report"):
            answer["written"] = [str(checks.write_report(checked, Path(request["report"])))]
    return answer


def batch(ready: Ready, request: dict[str, Any], report: Report) -> dict[str, Any]:
    """Enhance every scan of a folder as `medsr batch` does; reports the list of cases, then each change of one."""
    source, target = Path(request["source"]), Path(request["target"])
    planned = plan_batch(source, target, BatchRecipe(_settings(request)))
    store = begin(planned, target)
    numbers = {one.case: number for number, one in enumerate(planned.cases)}
    report("cases", {"cases": [_row(one, source, target, store.outcome(one.case)) for one in planned.cases]})

    def on_progress(tally: Tally, outcome: Outcome | None, running: int) -> None:
        if outcome is not None:
            number = numbers[outcome.case]
            report("case", {"number": number, "case": _row(planned.cases[number], source, target, outcome)})

    tally = run_plan(planned, store, on_progress)
    return {"done": tally.done, "failed": tally.failed}


JOBS: dict[str, Job] = {
    "plan": plan,
    "judge": judge_scan,
    "enhance": enhance_scan,
    "compare": compare,
    "check": check,
    "batch": batch,
}


def _with_model(ready: Ready, name: str) -> Ready:
    """What is ready, with the model of that name or file in place of the one that the worker began with.

    Raises:
        ModelError: there is none, or it is not one of this version.
    """
    if name == ready.name:
        return ready
    path = weights_path(name)
    changed_ns = path.stat().st_mtime_ns if path.is_file() else 0
    model, voxels_per_s = _loaded(name, changed_ns, ready.model.device.type)
    return replace(ready, model=model, voxels_per_s=voxels_per_s, name=name)


@lru_cache(maxsize=1)
def _loaded(name: str, changed_ns: int, device: str) -> tuple[Model, float]:
    """A model and its speed; `changed_ns` tells a file that was written anew, as training does."""
    model = load_model(name, device)
    return model, measured_speed(model)


def _estimate(
    ready: Ready, scan: Volume, settings: EnhanceSettings, memory_limit: int | None
) -> tuple[Estimate, list[int]]:
    """What a request needs, and the shape of the result on its stored axes; what the model can't do is refused."""
    model, acquisition = led_model(ready.model, settings), acquisition_for(scan, settings)
    computed, shape = acquisition, acquisition.fine_shape
    if settings.region is not None:
        part = part_of(scan, Box(*settings.region), acquisition)
        computed, shape = part.acquisition, part.box_on(part.acquisition.fine_shape).shape
    limit = usable_memory(ready.model.device.type) if memory_limit is None else memory_limit
    whole = settings.region is None
    needs = estimate(computed, scan.modality, model, settings, ready.voxels_per_s, limit, in_blocks=whole)
    return needs, list(shape)


def _settings(request: dict[str, Any]) -> EnhanceSettings:
    """The settings of a request; the grid of another layer, where one is named for one scan, becomes factors."""
    settings = parsed(EnhanceSettings, request["settings"], "settings")
    if "onto" not in request or request.get("stacks"):
        return settings
    return replace(settings, factors=factors_onto(outline(request["scan"]), outline(request["onto"])))


def _grid(request: dict[str, Any]) -> Grid | None:
    """The grid of another layer, where one is named for several stacks."""
    if "onto" not in request or not request.get("stacks"):
        return None
    layer = outline(request["onto"])
    return Grid(layer.shape, layer.affine)


def _reporting(report: Report) -> OnProgress:
    began = time.monotonic()

    def on_progress(stage: str, done: int, total: int) -> None:
        left = seconds_left(done, total, time.monotonic() - began)
        report("progress", {"stage": stage, "done": done, "total": total, "seconds_left": left})

    return on_progress


def _answer(ready: Ready, result: Enhancement) -> dict[str, Any]:
    return {
        "enhanced": packed(result.volume, ready.folder),
        "uncertainty": None if result.uncertainty is None else packed(result.uncertainty, ready.folder),
        "residual": packed(result.residual, ready.folder),
        "record": asdict(result.record),
    }


def _row(one: PlannedCase, source: Path, target: Path, outcome: Outcome | None) -> dict[str, Any]:
    """A case as the table shows it."""
    path = Path(one.files[0])
    row = {
        "name": str(path.relative_to(source.absolute())) if path.is_relative_to(source.absolute()) else path.name,
        "target": str(target / one.target),
        "state": "waiting" if outcome is None else outcome.state,
        "message": one.problem if outcome is None else outcome.reason,
    }
    facts = {} if outcome is None else outcome.facts
    return row | {
        "grid": " x ".join(f"{h:g}" for h in facts.get("spacing_mm", ())),
        "seconds": None if outcome is None else sum(outcome.seconds.values()),
        "residual": None if outcome is None else outcome.checks.get("residual"),
    }
