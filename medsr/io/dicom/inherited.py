"""What a derived image keeps of its source's header, and what would be false in it (docs/reference/dicom.md).

Patient, study, equipment and acquisition stay as they are, in the source's own character set. What describes the
source's pixels, their layout or their file goes, and so do private elements unless they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import lru_cache
from pathlib import Path

from pydicom import Dataset
from pydicom.filewriter import correct_ambiguous_vr
from pydicom.tag import BaseTag, Tag
from pydicom.uid import JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless

from medsr.io.dicom.enhanced import flattened
from medsr.io.dicom.headers import IMAGE_CLASSES, parsing, read_file, sop_class
from medsr.io.dicom.stack import Stack

CLASSIC_CLASSES = {"MR": "1.2.840.10008.5.1.4.1.1.4", "CT": "1.2.840.10008.5.1.4.1.1.2"}
LOSSY = (JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless)
FALSE_OF_DERIVED = frozenset(
    Tag(keyword)
    for keyword in (
        # the file and its copies
        *("SOPInstanceUID", "InstanceCreationDate", "InstanceCreationTime", "InstanceCreatorUID", "InstanceNumber"),
        *("PixelDataProviderURL", "StorageMediaFileSetID", "StorageMediaFileSetUID", "DigitalSignaturesSequence"),
        *("MACParametersSequence", "EncryptedAttributesSequence", "DataSetTrailingPadding"),
        # pictures of the old pixels and drawings on them
        *("IconImageSequence", "PresentationLUTSequence", "PresentationLUTShape", "VOILUTSequence"),
        # how the old pixels were stored
        *("SmallestImagePixelValue", "LargestImagePixelValue", "SmallestPixelValueInSeries"),
        *("LargestPixelValueInSeries", "SmallestImagePixelValueInPlane", "LargestImagePixelValueInPlane"),
        *("PixelPaddingValue", "PixelPaddingRangeLimit", "ModalityLUTSequence", "RealWorldValueMappingSequence"),
        *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel", "PlanarConfiguration"),
        *("RescaleSlope", "RescaleIntercept", "PixelData", "FloatPixelData", "DoubleFloatPixelData"),
        *("ExtendedOffsetTable", "ExtendedOffsetTableLengths"),
        # where the old pixels were
        *("Rows", "Columns", "PixelSpacing", "PixelAspectRatio", "NumberOfFrames", "NumberOfSlices"),
        *("ImagePositionPatient", "ImageOrientationPatient", "ImagePosition", "ImageOrientation", "SliceLocation"),
        *("SliceThickness", "SpacingBetweenSlices", "AcquisitionMatrix", "GantryDetectorTilt", "ImagesInAcquisition"),
        *("FrameIncrementPointer", "ConcatenationUID", "InConcatenationNumber", "DimensionOrganizationSequence"),
        *("DimensionIndexSequence", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
        "ReferencedRawDataSequence",
    )
)
HeaderOf = Callable[[int], Dataset]


def headers_of(stack: Stack, *, keep_private: bool = False) -> HeaderOf:
    """A function that gives what a derived image keeps of source slice `number` of a stack.

    Raises, when called:
        InputError: the file is gone or damaged since it was read.
    """

    @lru_cache(maxsize=2)
    def whole(path: Path) -> tuple[Dataset, Dataset]:
        with parsing(path):
            dataset = read_file(path)
            dataset.pop(Tag("PixelData"), None)
            meta = dataset.file_meta
            sop_class_uid = sop_class(dataset)
            kept = readable(dataset, keep_private=keep_private)
            kept.SOPClassUID = sop_class_uid
            return kept, meta

    @lru_cache(maxsize=2)
    def header(number: int) -> Dataset:
        frame = stack.frames[number]
        with parsing(frame.path):
            dataset, meta = whole(frame.path)
            return inherited(dataset, meta, frame.index)

    return header


def inherited(dataset: Dataset, meta: Dataset, i: int) -> Dataset:
    """What a derived classic image keeps of frame `i` of a source.

    Args:
        dataset: Data set of the source, as `readable` gives it; it stays as it is.
        meta: File meta of the source.
        i: Number of the frame, from 0.
    """
    uid = str(dataset.SOPClassUID)
    if uid in CLASSIC_CLASSES.values():
        kept = Dataset({tag: copy(element) for tag, element in dataset.items()})
        instance = dataset.get("InstanceNumber")
    else:
        modality = IMAGE_CLASSES[uid]
        kept, uid, instance = flattened(dataset, i, modality), CLASSIC_CLASSES[modality], i + 1
    for tag in [tag for tag in kept.keys() if _is_false(tag)]:  # noqa: SIM118
        del kept[tag]
    kept.SOPClassUID = uid
    kept.InstanceNumber = instance
    if not kept.get("PhotometricInterpretation"):
        kept.PhotometricInterpretation = "MONOCHROME2"
    _keep_lossy_history(kept, meta)
    return kept


def pass_on_history(common: Dataset, stack: Stack) -> None:
    """Note in a derived image what its further sources pass on: lossy compression, and names burned into pixels.

    Args:
        common: Data set of the derived image; it is changed.
        stack: Slices of a source whose place the image does not take.

    Raises:
        InputError: the file is gone or damaged since it was read.
    """
    header = headers_of(stack)(0)
    for name, said in (("LossyImageCompression", "01"), ("BurnedInAnnotation", "YES")):
        if header.get(name) == said:
            setattr(common, name, said)


def readable(dataset: Dataset, *, keep_private: bool = False) -> Dataset:
    """The elements of a data set that can be decoded, to the bottom, so that they can be written in another encoding.

    Values that can't be decoded are left out: what can't be read can't be said again.
    """
    kept = Dataset()
    for tag in sorted(dataset.keys()):
        if (tag.is_private and not keep_private) or not _is_storable(tag):
            continue
        try:
            element = dataset[tag]
            if element.VR == "SQ":
                for item in element.value:
                    for _ in item.iterall():
                        pass
        except Exception:  # a damaged value makes pydicom raise nearly anything
            continue
        kept[tag] = element
    correct_ambiguous_vr(kept, is_little_endian=True)  # now, while the source's own pixel representation is there
    if not keep_private:
        kept.remove_private_tags()
    return kept


def _is_storable(tag: BaseTag) -> bool:
    """Whether a tag may stand in a data set: no command, file meta, group length (retired) or delimiter."""
    return 0x0008 <= tag.group < 0xFFFA and tag.element != 0x0000


def _is_false(tag: BaseTag) -> bool:
    overlay_or_curve = 0x5000 <= tag.group < 0x5100 or 0x6000 <= tag.group < 0x6100
    colour_table = tag.group == 0x0028 and 0x1101 <= tag.element <= 0x1223
    return tag in FALSE_OF_DERIVED or overlay_or_curve or colour_table


def _keep_lossy_history(kept: Dataset, meta: Dataset) -> None:
    """Once lossy, always lossy (PS3.3, C.7.6.1.1.5), also where the transfer syntax alone says so."""
    if not kept.get("LossyImageCompression") and meta.get("TransferSyntaxUID") in LOSSY:
        kept.LossyImageCompression = "01"
