"""`EnhanceSettings`: what a person asks of one enhancement, with every default in one place.

The command line, batch and study recipes, the viewer's form and its child process build this value and nothing else.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from medsr.errors import UsageError
from medsr.io.dicom.options import Compression, DicomOptions, Gaps, NaN, Policies, Tilt
from medsr.io.formats import FormatName
from medsr.io.recipes import FORBID_UNKNOWN
from medsr.model import DEFAULT_MODEL
from medsr.physics.profiles import PROFILE_CHOICES, ProfileChoice
from medsr.volume import Modality

Mode = Literal["mean", "sample", "uncertainty"]
MODES: tuple[Mode, ...] = get_args(Mode)
SamplerName = Literal["dpm2m", "euler", "heun", "ancestral"]
SAMPLER_NAMES: tuple[SamplerName, ...] = get_args(SamplerName)
DataStep = Literal["prox", "project", "gradient"]
DATA_STEP_NAMES: tuple[DataStep, ...] = get_args(DataStep)
Triple = tuple[int, int, int]
MEASURED_SAMPLES = 8
"""Posterior samples that a validation and a calibration measure where no number of them is asked for."""


@dataclass(frozen=True)
class Input:
    """How the scan is read.

    Attributes:
        gaps: DICOM series with missing slices or changing distances: "refuse", "fill" or "split" (`Policies`).
        tilt: DICOM series with slices sheared against their normal: "refuse" or "resample" (`Policies`).
        nan: NIfTI files with voxels that are not a number: "refuse" or "lowest" (`Policies`).
        volume: Number under which `medsr inspect` lists a volume of a DICOM tree, or several, separated by commas,
            which are stacks of one body and are fused; None: every volume of the source.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID_UNKNOWN

    gaps: Gaps = "refuse"
    tilt: Tilt = "refuse"
    nan: NaN = "refuse"
    volume: str | None = None

    @property
    def volumes(self) -> tuple[str, ...]:
        """The numbers in `volume`."""
        return () if self.volume is None else tuple(name.strip() for name in self.volume.split(","))


@dataclass(frozen=True)
class Output:
    """How the result is written.

    Attributes:
        format: Name of a format (`medsr.io.formats.FORMATS`); None: by the name of the output, else as the input.
        like: DICOM series that a NIfTI input was made of; a DICOM output takes its place.
        dtype: Voxel type of an output in one file, such as "int16"; None: that of the input.
        compress: Lossless compression of DICOM files: "none", "j2k", "rle" or "jpegls".
        keep_private: Keep the private elements of the DICOM source.
        parametric_map: Write the uncertainty as a DICOM Parametric Map as well.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID_UNKNOWN

    format: FormatName | None = None
    like: Path | None = None
    dtype: str | None = None
    compress: Compression = "none"
    keep_private: bool = False
    parametric_map: bool = False

    @property
    def dicom(self) -> DicomOptions:
        """How DICOM files are written."""
        return DicomOptions(self.compress, self.keep_private)


@dataclass(frozen=True)
class EnhanceSettings:
    """What is asked of one enhancement.

    Attributes:
        spacing_mm: Target spacing, one number or one per stored axis; None: the default grid (`acquisition_of`).
        factors: Result voxels per input voxel instead, one number or one per stored axis.
        profile: Slice profile of every axis (`medsr.physics.ops.PROFILES`); "auto": as the headers say, or else by
            default (`medsr.physics.assumption`).
        thickness_mm: Slice thickness; None: what the headers say, else the spacing.
        noise: Standard deviation of the scan's noise in its own unit; None: estimated from the scan.
        modality: "MR" or "CT" against what the headers say; None: as they say.
        mode: "mean" (least expected error), "sample" (one posterior sample) or "uncertainty" (the mean and its standard
            deviation).
        strength: Share of the network's detail that is added to the IBP estimate: 1 all of it, 0 none.
        blend: Point between the mean (0) and the sample (1) in mode "sample".
        samples: Number of posterior samples whose standard deviation mode "uncertainty" takes, at least 2; 0: none, the
            network's variance head tells it with the mean.
        steps: Sampler steps per sample, at least 1.
        sampler: Sampler by name (`medsr.diffusion.samplers.SAMPLERS`).
        data_step: What ties every step of a sample to the scan: "prox" (as near as its noise allows, DiffPIR),
            "project" (exactly, DDNM) or "gradient" (through the network, DPS, in several times the time and memory).
        guidance: How far samples are led to the scan's condition: 1 as the posterior is, more beyond it; only with
            models that were also trained without it.
        classifier: Weights file of a classifier that leads samples towards sharp detail; None: nothing does.
        classifier_scale: How far it leads them; 1 adds its score as it is.
        cascade: Noise between stages of factor 2, 0 to 1 times the intensity range, by which factors above 2 are
            reached in stages (Imagen); None: in one. Not for regions and mode "uncertainty".
        seed: Random seed for sampling, 0 to 2**64 - 1.
        flips: Number of axes, 0 to 3, over whose flips the mean is averaged; each doubles its evaluations.
        model: Name of a packaged model, or path of a weights file.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps"; a batch takes several, separated by commas.
        tile: Side of a tile in voxels; None: chosen by size.
        region: First voxel and one past the last on the stored axes; None: the whole scan.
        force: Go on outside what the model was validated on.
        input: How the scan is read.
        output: How the result is written.

    Raises:
        UsageError: a value out of its range, or a name that is not known.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID_UNKNOWN

    spacing_mm: tuple[float, ...] | None = None
    factors: tuple[float, ...] | None = None
    profile: ProfileChoice = "auto"
    thickness_mm: float | None = None
    noise: float | None = None
    modality: Modality | None = None
    mode: Mode = "mean"
    strength: float = 1.0
    blend: float = 1.0
    samples: int = 0
    steps: int = 6
    sampler: SamplerName = "dpm2m"
    data_step: DataStep = "prox"
    guidance: float = 1.0
    classifier: str | None = None
    classifier_scale: float = 1.0
    cascade: float | None = None
    seed: int = 0
    flips: int = 1
    model: str = DEFAULT_MODEL
    device: str = "auto"
    tile: int | None = None
    region: tuple[Triple, Triple] | None = None
    force: bool = False
    input: Input = field(default_factory=Input)
    output: Output = field(default_factory=Output)

    @property
    def policies(self) -> Policies:
        """What readers do with scans that are not regular or don't say what they are."""
        return Policies(self.input.gaps, self.input.tilt, self.input.nan, self.modality)

    def __post_init__(self) -> None:
        check_choice("mode", self.mode, MODES)
        check_choice("sampler", self.sampler, SAMPLER_NAMES)
        check_choice("data_step", self.data_step, DATA_STEP_NAMES)
        check_choice("profile", self.profile, PROFILE_CHOICES)
        if not 0 <= self.strength <= 1:
            raise UsageError(f"strength is {self.strength:g}; expected 0 (no detail of the network) to 1 (all of it)")
        if not 0 <= self.blend <= 1:
            raise UsageError(f"blend is {self.blend:g}; expected 0 (mean) to 1 (sample)")
        if self.samples < 0 or self.samples == 1:
            raise UsageError(f"samples is {self.samples}; expected at least 2, or 0 for the network's own estimate")
        if self.steps < 1 or not 0 <= self.seed < 2**64:
            raise UsageError(
                f"steps is {self.steps} and seed {self.seed}; expected at least 1 step and a seed from 0 to 2**64 - 1"
            )
        if not 0 <= self.guidance < float("inf") or not 0 <= self.classifier_scale < float("inf"):
            raise UsageError(
                f"guidance is {self.guidance:g} and classifier_scale {self.classifier_scale:g}; expected 0 or more"
            )
        if self.cascade is not None and not 0 <= self.cascade <= 1:
            raise UsageError(f"cascade is {self.cascade:g}; expected noise of 0 to 1 times the intensity range")
        if self.cascade is not None and (self.mode == "uncertainty" or self.region is not None):
            raise UsageError("a cascade has no uncertainty and takes no region; leave cascade out, or both of these")
        if not 0 <= self.flips <= 3:
            raise UsageError(f"flips is {self.flips}; expected 0 to 3 axes")
        if self.noise is not None and not 0 <= self.noise < float("inf"):
            raise UsageError(f"noise is {self.noise:g}; expected 0 or more, in the scan's own unit")
        if self.tile is not None and self.tile < 1:
            raise UsageError(f"tile is {self.tile} voxels; expected at least 1")

    @property
    def n_samples(self) -> int:
        """Posterior samples that the mode computes."""
        return {"mean": 0, "sample": 1, "uncertainty": self.samples}[self.mode]

    def facts(self) -> dict[str, Any]:
        """What decides about the voxels of a result, the weights aside: plain values, neither paths nor machines."""
        aside = ("model", "classifier", "device", "input", "output")
        return {name: value for name, value in asdict(self).items() if name not in aside}

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `medsr.io.recipes.parsed` makes settings of them again."""
        content: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        return content


def with_model_beside(settings: EnhanceSettings, folder: Path) -> EnhanceSettings:
    """The settings of a recipe in `folder`: weights files that they name are looked for there."""
    file = folder / settings.model
    found = replace(settings, model=str(file)) if file.is_file() else settings
    if found.classifier is None:
        return found
    file = folder / found.classifier
    return replace(found, classifier=str(file)) if file.is_file() else found


def check_choice(what: str, name: str, known: tuple[str, ...]) -> None:
    """Refuse a name that is not one of those known.

    Args:
        what: What the name stands for, for the message.
        name: Name to check.
        known: Names to choose from.

    Raises:
        UsageError: the name is not known.
    """
    if name not in known:
        raise UsageError(f"{what} is {name!r}; choose {', '.join(known)}")
