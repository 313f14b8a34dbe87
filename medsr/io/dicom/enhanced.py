"""One frame of an enhanced multi-frame file as a classic image header: what both kinds of object can say.

Enhanced objects keep in functional groups, per frame or shared, what classic ones keep at the top, and use other words
for some of it (PS3.3, C.8.3 and C.8.13). Legacy converted objects carry the classic attributes in sequences of
unassigned ones.
"""

from __future__ import annotations

from copy import copy
from typing import Any

from pydicom import Dataset
from pydicom.tag import BaseTag, Tag

COPIED = {  # functional group: attributes with the same name in both kinds
    "MRTimingAndRelatedParametersSequence": ("RepetitionTime", "FlipAngle", "EchoTrainLength"),
    "MRImagingModifierSequence": ("PixelBandwidth",),
    "MRAveragesSequence": ("NumberOfAverages",),
    "MRReceiveCoilSequence": ("ReceiveCoilName",),
    "MRTransmitCoilSequence": ("TransmitCoilName",),
    "MRFOVGeometrySequence": ("PercentSampling", "PercentPhaseFieldOfView"),
    "MRDiffusionSequence": ("DiffusionBValue",),
    "FrameVOILUTSequence": ("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation"),
    "FrameAnatomySequence": ("AnatomicRegionSequence",),
    "PixelMeasuresSequence": ("SliceThickness",),
    "PixelValueTransformationSequence": ("RescaleType",),
    "CTXRayDetailsSequence": ("KVP", "FocalSpots", "FilterType"),
    "CTAcquisitionDetailsSequence": ("RotationDirection",),
    "CTReconstructionSequence": ("ConvolutionKernel", "ReconstructionDiameter"),
}
RENAMED = (  # functional group, attribute in it, classic attribute
    ("MREchoSequence", "EffectiveEchoTime", "EchoTime"),
    ("MRImagingModifierSequence", "TransmitterFrequency", "ImagingFrequency"),
    ("FrameContentSequence", "FrameAcquisitionNumber", "AcquisitionNumber"),
    ("FrameContentSequence", "TemporalPositionIndex", "TemporalPositionIdentifier"),
    ("CTExposureSequence", "ExposureTimeInms", "ExposureTime"),
    ("CTExposureSequence", "XRayTubeCurrentInmA", "XRayTubeCurrent"),
)
UNASSIGNED = ("UnassignedSharedConvertedAttributesSequence", "UnassignedPerFrameConvertedAttributesSequence")
# classic attributes that may be empty but not missing (type 2), and values where empty is not allowed
NEEDED: dict[str, dict[str, str | None]] = {
    "MR": {
        "ScanOptions": None,
        "MRAcquisitionType": None,
        "RepetitionTime": None,
        "EchoTime": None,
        "EchoTrainLength": None,
        "ScanningSequence": "RM",  # research mode: nothing more is known
        "SequenceVariant": "NONE",
    },
    "CT": {"KVP": None, "AcquisitionNumber": None},
}
DECIMAL = ("EchoTime", "ImagingFrequency", "InversionTime")  # FD in enhanced objects, DS in classic ones
WHOLE = ("ExposureTime", "XRayTubeCurrent")  # FD in enhanced objects, IS in classic ones
WHOLE_GROUPS = (0x0010, 0x0012, 0x0032, 0x0038)  # patient, clinical trial, request, visit
LOWER_GROUPS = (0x0008, 0x0018, 0x0020, 0x0028)  # what lies above 0x9000 is of enhanced objects alone
CONTRIBUTING_EQUIPMENT = Tag("ContributingEquipmentSequence")


def flattened(dataset: Dataset, i: int, modality: str) -> Dataset:
    """The classic attributes of frame `i`.

    Args:
        dataset: An enhanced or legacy converted MR or CT object; it stays as it is.
        i: Number of the frame, from 0.
        modality: "MR" or "CT".
    """
    header = Dataset()
    for tag in dataset.keys():  # noqa: SIM118 - iterating over a Dataset would decode everything
        if _is_classic(tag):
            header[tag] = copy(dataset[tag])  # its value may be set anew without changing the source's
    groups = _groups(dataset, i)
    for name in UNASSIGNED:
        header.update({element.tag: copy(element) for element in groups.get(name, Dataset())})
    for name, keywords in COPIED.items():
        for keyword in keywords:
            _set(header, keyword, groups.get(name, Dataset()).get(keyword))
    for name, keyword, classic in RENAMED:
        _set(header, classic, groups.get(name, Dataset()).get(keyword))
    _set_acquisition_time(header, groups)
    if modality == "MR":
        _set_sequence(header, dataset, groups)
    for keyword, value in NEEDED[modality].items():
        if keyword not in header:
            setattr(header, keyword, value)
    if not header.get("BodyPartExamined") and "Laterality" not in header:
        header.Laterality = None  # unknown, as whether the body part is paired
    header.ImageType = _image_type(dataset, groups, modality)
    return header


def _is_classic(tag: BaseTag) -> bool:
    if tag.is_private or tag == CONTRIBUTING_EQUIPMENT:
        return True
    if tag.group == 0x0040:  # scheduled and performed step, not acquisition context and specimens
        return tag.element < 0x0500 or 0x1000 <= tag.element < 0x3000
    return tag.group in WHOLE_GROUPS or (tag.group in LOWER_GROUPS and tag.element < 0x9000)


def _groups(dataset: Dataset, i: int) -> dict[str, Dataset]:
    """First item of every functional group of a frame, the frame's own before the shared one."""
    found: dict[str, Dataset] = {}
    shared = dataset.get("SharedFunctionalGroupsSequence") or []
    frames = dataset.get("PerFrameFunctionalGroupsSequence") or []
    for holder in (*shared[:1], *frames[i : i + 1]):
        for element in holder:
            if element.VR == "SQ" and len(element.value):
                found[element.keyword] = element.value[0]
    return found


def _set(header: Dataset, keyword: str, value: Any) -> None:
    if value in (None, ""):
        return
    if keyword in WHOLE:
        value = round(float(value))
    elif keyword in DECIMAL:
        value = f"{float(value):.10g}"
    setattr(header, keyword, value)


def _set_acquisition_time(header: Dataset, groups: dict[str, Dataset]) -> None:
    moment = str(groups.get("FrameContentSequence", Dataset()).get("FrameAcquisitionDateTime") or "")
    moment = moment or str(header.get("AcquisitionDateTime") or "")
    if len(moment) >= 14 and moment[:14].isdigit():
        header.AcquisitionDate, header.AcquisitionTime = moment[:8], moment[8:].split("+")[0].split("-")[0]


def _set_sequence(header: Dataset, dataset: Dataset, groups: dict[str, Dataset]) -> None:
    """Scanning sequence, its variant and options in the words of classic MR (PS3.3, C.8.3.1)."""
    modifier = groups.get("MRModifierSequence", Dataset())
    imaging = groups.get("MRImagingModifierSequence", Dataset())
    inverted = modifier.get("InversionRecovery") == "YES"
    if "ScanningSequence" not in header:
        echoes = {"SPIN": ["SE"], "GRADIENT": ["GR"], "BOTH": ["SE", "GR"]}
        words = echoes.get(str(dataset.get("EchoPulseSequence")), [])
        words = words + ["IR"] * inverted + ["EP"] * (dataset.get("EchoPlanarPulseSequence") == "YES")
        header.ScanningSequence = words or "RM"
    if "SequenceVariant" not in header:
        variants = {
            "SK": dataset.get("SegmentedKSpaceTraversal") in ("PARTIAL", "FULL"),
            "MTC": imaging.get("MagnetizationTransfer") in ("ON_RESONANCE", "OFF_RESONANCE"),
            "SP": modifier.get("Spoiling") in ("RF", "GRADIENT", "RF_AND_GRADIENT"),
            "OSP": dataset.get("OversamplingPhase") in ("2D", "3D", "2D_3D"),
        }
        header.SequenceVariant = [word for word, is_so in variants.items() if is_so] or "NONE"
    times = modifier.get("InversionTimes")
    if inverted and times is not None:
        _set(header, "InversionTime", float(times[0] if hasattr(times, "__len__") else times))
    _set(header, "ImagedNucleus", dataset.get("ResonantNucleus"))
    direction = {"ROW": "ROW", "COLUMN": "COL"}
    field_of_view = groups.get("MRFOVGeometrySequence", Dataset())
    _set(
        header, "InPlanePhaseEncodingDirection", direction.get(str(field_of_view.get("InPlanePhaseEncodingDirection")))
    )


def _image_type(dataset: Dataset, groups: dict[str, Dataset], modality: str) -> list[str]:
    """Values 1 and 2 of the frame, a value 3 that classic objects know, then what the frame says more."""
    own = next((group.FrameType for group in groups.values() if group.get("FrameType")), None)
    words = [str(word) for word in own or dataset.get("ImageType") or []]
    component = str(dataset.get("ComplexImageComponent") or "")
    more = [word for word in (*words[2:], component) if word not in ("", "NONE", "MIXED", "AXIAL", "OTHER")]
    first = words[:2] if len(words) > 1 else ["ORIGINAL", "PRIMARY"]
    return [*first, "AXIAL" if modality == "CT" else "OTHER", *dict.fromkeys(more)]
