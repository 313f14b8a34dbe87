"""A weights file and the model in it: everything needed lies in one safetensors file, checked when it is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from medsr.conditioning import N_CONDITIONS, N_MAPS
from medsr.errors import ModelError, ResourceError
from medsr.nets import DetailNet, NetSpec, channels_last

DEFAULT_MODEL = "medsr-base"
MAX_BYTES = 16 * 2**20
FORMAT = "medsr-1"
LEAST_FACTOR = 1.5  # of an axis that counts as refined: thick slices stay one axis where the pixels change a little


@dataclass(frozen=True)
class Envelope:
    """What a model was validated on.

    Attributes:
        modalities: "MR", "CT".
        contrasts: contrasts seen in training, for information.
        max_factor: largest factor of a single degraded axis.
        max_factor_several: largest factor where several axes are degraded.
        max_coarse_mm: coarsest spacing.
        fine_mm: finest and coarsest spacing of the result.
        statistics: by modality and name the usual range of a scan's statistics (`medsr.traits`); empty: not judged.
    """

    modalities: tuple[str, ...] = ("MR", "CT")
    contrasts: tuple[str, ...] = ("T1w", "T2w", "FLAIR", "CT")
    max_factor: float = 12.0
    max_factor_several: float = 6.0
    max_coarse_mm: float = 7.5
    fine_mm: tuple[float, float] = (0.35, 2.6)
    statistics: dict[str, dict[str, tuple[float, float]]] = field(default_factory=dict)

    def objections(
        self,
        modality: str,
        factors: tuple[float, float, float],
        fine_spacing_mm: tuple[float, float, float],
    ) -> list[str]:
        """Why a scan lies outside, one line each; empty where it lies inside.

        Args:
            modality: of the scan.
            factors: fine voxels per coarse voxel.
            fine_spacing_mm: of the result.
        """
        found: list[str] = []
        if modality not in self.modalities:
            found.append(f"modality {modality} (validated: {', '.join(self.modalities)})")
        degraded = [(f, h) for f, h in zip(factors, fine_spacing_mm, strict=True) if f > 1]
        limit = self.max_factor if len(degraded) == 1 else self.max_factor_several
        for factor, spacing in degraded:
            if factor > limit * 1.01:
                found.append(f"factor {factor:.3g} (validated: up to {limit:g} for {len(degraded)} axes)")
            if factor * spacing > self.max_coarse_mm * 1.01:
                found.append(f"slices every {factor * spacing:.3g} mm (validated: up to {self.max_coarse_mm:g} mm)")
        low, high = self.fine_mm
        if min(fine_spacing_mm) < low * 0.99 or min(fine_spacing_mm) > high * 1.01:
            found.append(f"result of {min(fine_spacing_mm):.3g} mm (validated: {low:g} to {high:g} mm)")
        return list(dict.fromkeys(found))


@dataclass(frozen=True)
class Calibration:
    """How much wider than stated the intervals must be, measured on held-out subjects (`medsr.calibration`).

    Attributes:
        levels: of the central intervals.
        factors: "draws" or "variance", then group (`calibration_group`, or "all"): per level, what the half width of a
            normal distribution with the stated deviation is multiplied by.
        subjects: behind the factors, by group.
        held_out: like `factors`: share of voxels covered, mean over subjects that their factors were not taken from.
        draws: behind the spread; fewer of them make it noisier than was measured.
        steps: of each draw.
        tasks: that the subjects' scans were degraded by.
    """

    levels: tuple[float, ...]
    factors: dict[str, dict[str, tuple[float, ...]]]
    subjects: dict[str, int]
    held_out: dict[str, dict[str, tuple[float, ...]]]
    draws: int
    steps: int
    tasks: tuple[str, ...]

    def factors_for(self, kind: str, group: str) -> dict[float, float]:
        """Factor of each level for "draws" or "variance" in a group, or in all scans where the group has none."""
        groups = self.factors[kind]
        return dict(zip(self.levels, groups.get(group, groups["all"]), strict=True))


def calibration_group(modality: str, factors: Sequence[float]) -> str:
    """The group of a scan by what is known before it is enhanced, such as "MR, one axis".

    Args:
        modality: of the scan.
        factors: fine voxels per coarse voxel; axes that hardly change do not count.
    """
    n_refined = sum(factor >= LEAST_FACTOR for factor in factors)
    return f"{modality}, {'several axes' if n_refined > 1 else 'one axis'}"


@dataclass(frozen=True)
class ModelSpec:
    """What the weights' metadata hold beside the weights.

    Attributes:
        name: of the model.
        version: of the weights.
        net: the network.
        envelope: what it was validated on.
        error_variance: of the network's error in measured directions, in squared units of the expected detail.
        draw_spread: how far a draw lies from the mean, in units of what the variance head says; chosen on the
            validation split.
        calibration: of the stated uncertainties; None where it was not measured.
        licence: of the weights.
        trained: steps, packs' hash, hashes of the data cards, code version.
        normalisation: how intensities reach the model range.
        format: of this file.
    """

    name: str
    version: str
    net: NetSpec
    envelope: Envelope = field(default_factory=Envelope)
    error_variance: float = 0.3
    draw_spread: float = 1.0
    calibration: Calibration | None = None
    licence: str = "Apache-2.0"
    trained: dict[str, Any] = field(default_factory=dict)
    normalisation: str = "MR: percentiles 0.5 and 99.5 to 0 and 1; CT: -1000 and 1000 HU to 0 and 1"
    format: str = FORMAT


@dataclass(frozen=True)
class Model:
    """A network on a device and what is known of it.

    Attributes:
        net: the network, float32 parameters.
        spec: its specification.
        sha256: hash of the weights file.
        device: where it is.
        dtype: in which its convolutions compute.
    """

    net: DetailNet
    spec: ModelSpec
    sha256: str
    device: torch.device
    dtype: torch.dtype

    def __call__(self, maps: Tensor, conditions: Tensor) -> Tensor:
        """Maps (B, N_MAPS, I, J, K) and conditions (B, N_CONDITIONS) to float32 (B, 2, I, J, K)."""
        with torch.inference_mode(), torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            out: Tensor = self.net(maps.to(self.device, self.dtype), conditions.to(self.device))
        return out


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name; "auto" takes CUDA where there is one.

    Raises:
        ResourceError: no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ResourceError(f"no device is called {name!r}; expected auto, cpu or cuda") from error
    if device.type not in ("cpu", "cuda"):
        raise ResourceError(f"device {name!r} is not supported; expected auto, cpu or cuda")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ResourceError(
            f"{torch.cuda.device_count()} CUDA devices are available here, not {name}; use --device cpu, "
            "or install a CUDA build of torch"
        )
    return device


def fastest_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the device computes in it natively, else float32 (a CPU without it would emulate)."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    native: Callable[[], bool] = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return torch.bfloat16 if native() else torch.float32


def packaged_models() -> dict[str, Path]:
    """Names and files of the weights that come with the package."""
    folder = Path(str(resources.files("medsr.weights")))
    return {path.stem: path for path in sorted(folder.glob("*.safetensors"))}


def load_model(name_or_file: str | Path = DEFAULT_MODEL, device: str | torch.device = "auto") -> Model:
    """The model of a packaged name or of a weights file.

    Raises:
        ModelError: unknown name, damaged, not safetensors, or not a model of this version.
        ResourceError: no such device.
    """
    place = choose_device(device) if isinstance(device, str) else device
    packaged = packaged_models()
    path = packaged.get(str(name_or_file), Path(name_or_file))
    content = _read(path, packaged)
    digest = hashlib.sha256(content).hexdigest()
    if path in packaged.values():
        _check_shipped(path, digest)
    spec = _spec_of(path, content)
    with torch.device("meta"):  # no memory and no random numbers for weights that are read anyway
        net = DetailNet(spec.net)
    try:
        net.load_state_dict({name: value.float() for name, value in load(content).items()}, assign=True)
    except (RuntimeError, SafetensorError) as error:
        raise ModelError(
            f"{path.name}: weights do not fit the network in their metadata; get the file again"
        ) from error
    if not all(bool(torch.isfinite(value).all()) for value in net.state_dict().values()):
        raise ModelError(f"{path.name}: weights are not finite; get the file again")
    net.eval().requires_grad_(False)
    return Model(channels_last(net.to(place)), spec, digest, place, fastest_dtype(place))


def describe_model(path: Path) -> ModelSpec:
    """The specification in a weights file, without building the network.

    Raises:
        ModelError: not a weights file of this version.
    """
    return _spec_of(path, _read(path, packaged_models()))


def weights_bytes(state: dict[str, Tensor], spec: ModelSpec) -> bytes:
    """A weights file's content: bfloat16 kernels, float32 for the rest, the specification as metadata.

    Raises:
        ModelError: larger than 16 MiB.
    """
    tensors = {
        name: (value.bfloat16() if value.ndim > 1 else value.float()).contiguous().cpu()
        for name, value in state.items()
    }
    content = save(tensors, {"medsr": json.dumps(asdict(spec))})
    if len(content) > MAX_BYTES:
        raise ModelError(f"weights need {len(content)} bytes; the limit is {MAX_BYTES}: use a smaller network")
    return content


def _read(path: Path, packaged: dict[str, Path]) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        names = ", ".join(packaged) or "none"
        raise ModelError(
            f"{path}: no such weights file, and no packaged model of that name (packaged: {names})"
        ) from error
    if content[:2] in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05") or b"pickle" in content[:256]:
        raise ModelError(f"{path.name} is a pickled file, which could run any code; only safetensors are read")
    if len(content) > MAX_BYTES:
        raise ModelError(f"{path.name} is larger than a medsr weights file; the limit is {MAX_BYTES} bytes")
    return content


def _spec_of(path: Path, content: bytes) -> ModelSpec:
    try:
        size = int.from_bytes(content[:8], "little")
        facts: dict[str, Any] = dict(json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["medsr"]))
        found = facts["format"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(
            f"{path.name} is not a medsr weights file; expected safetensors with medsr metadata"
        ) from error
    if found != FORMAT:
        raise ModelError(f"{path.name} has format {found!r}; this version reads {FORMAT!r}")
    try:
        limits: dict[str, Any] = dict(facts["envelope"])
        envelope: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in limits.items()}
        envelope["statistics"] = _ranges_of(limits.get("statistics", {}))
        parts = {"net": NetSpec(**facts["net"]), "envelope": Envelope(**envelope)}
        if facts.get("calibration") is not None:
            parts["calibration"] = _calibration_of(facts["calibration"])
        spec = ModelSpec(**{**facts, **parts})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path.name}: its specification is not one of this version; get the file again") from error
    if (spec.net.channels, spec.net.conditions) != (N_MAPS, N_CONDITIONS):
        raise ModelError(
            f"{path.name} expects {spec.net.channels} maps and {spec.net.conditions} conditions; "
            f"this version gives {N_MAPS} and {N_CONDITIONS}"
        )
    return spec


def _ranges_of(facts: dict[str, Any]) -> dict[str, dict[str, tuple[float, float]]]:
    """The usual ranges in a file's metadata.

    Raises:
        ValueError: a range that is not two numbers, the smaller one first.
    """
    ranges = {
        modality: {name: (float(low), float(high)) for name, (low, high) in rows.items()}
        for modality, rows in facts.items()
    }
    if any(not low <= high for rows in ranges.values() for low, high in rows.values()):
        raise ValueError("a range's least value is above its most")
    return ranges


def _calibration_of(facts: dict[str, Any]) -> Calibration:
    """The calibration in a file's metadata.

    Raises:
        ValueError: factors that are not positive numbers, one for each level.
    """
    levels = tuple(float(level) for level in facts["levels"])

    def table(name: str) -> dict[str, dict[str, tuple[float, ...]]]:
        return {
            kind: {group: tuple(float(v) for v in row) for group, row in groups.items()}
            for kind, groups in facts[name].items()
        }

    factors = table("factors")
    rows = [row for groups in factors.values() for row in groups.values()]
    if any("all" not in groups for groups in factors.values()) or set(factors) != {"draws", "variance"}:
        raise ValueError("factors for all scans are missing")
    if any(len(row) != len(levels) or not all(0 < value < float("inf") for value in row) for row in rows):
        raise ValueError("factors are not one positive number per level")
    return Calibration(
        levels=levels,
        factors=factors,
        subjects={group: int(n) for group, n in facts["subjects"].items()},
        held_out=table("held_out"),
        draws=int(facts["draws"]),
        steps=int(facts["steps"]),
        tasks=tuple(facts["tasks"]),
    )


def _check_shipped(path: Path, digest: str) -> None:
    try:
        expected = path.with_suffix(".sha256").read_text().split()[0]
    except (OSError, IndexError, UnicodeDecodeError) as error:
        raise ModelError(f"{path.name} has lost its SHA-256 file; reinstall medsr") from error
    if digest != expected:
        raise ModelError(f"{path.name} has SHA-256 {digest[:12]}..., shipped was {expected[:12]}...; reinstall medsr")
