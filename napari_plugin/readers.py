"""What napari calls to open scan files, DICOM folders or files, and the sample scan."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medsr.errors import MedsrError

from .first_view import show_first
from .layers import METADATA_KEY, LayerData, layer_of, slice_axis_of

if TYPE_CHECKING:
    from medsr.io.formats import Format
    from medsr.io.found import Found
    from medsr.volume import Volume

Paths = str | Sequence[str]
Claimed = tuple[None]

# Layers of one file, and files of one folder: napari slows down with every layer, and 300 volumes would stop it.
MOST_LAYERS = 8
MOST_SNIFFED = 200  # files of a tree that are looked at before it counts as holding no scan
NOTHING_TO_ADD: list[LayerData | Claimed] = [(None,)]


def get_reader(path: Paths) -> Callable[[Paths], list[LayerData | Claimed]] | None:
    """The reader for `path`, or None where any of it is not a scan. Never raises, as napari asks.

    Args:
        path: One file or folder, or several files where the user opens them as a stack.
    """
    paths = [Path(one) for one in _as_list(path)]
    return read_layers if paths and all(_is_scan(one) for one in paths) else None


def read_layers(path: Paths) -> list[LayerData | Claimed]:
    """The layers of `layers_at`, the first of an empty viewer shown as people look at such scans.

    Raises:
        MedsrError: nothing of it can be read.
    """
    layers = layers_at(path)
    prepare_view(layers)
    return [*layers] or NOTHING_TO_ADD


def layers_at(path: Paths) -> list[LayerData]:
    """One image layer per volume, in order; files of one DICOM series make its volumes once, however many are given.

    It touches no window, so it may run beside the viewer's thread.

    A series that is open in the viewer already is not opened a second time: napari hands over dropped files one by
    one. Where some of several scans can't be read, the others are opened and a warning says why.

    Raises:
        MedsrError: nothing of it can be read.
    """
    layers: list[LayerData] = []
    refusals: list[MedsrError] = []
    for scan in _scans([Path(one) for one in _as_list(path)]):
        try:
            layers += _layers_of(scan)
        except MedsrError as error:
            refusals.append(error)
    if refusals and not layers:
        raise refusals[0]
    for refusal in refusals:
        _warn(str(refusal))
    return layers


def sample_layers() -> list[LayerData]:
    """A brain scan with slices 5 mm thick, and the high-resolution scan that it was made of."""
    from medsr.io import load
    from medsr.samples import sample_path

    truth = sample_path("bchadult01_T1w")
    thick = sample_path("bchadult01_T1w_thick5")
    data, keywords, kind = layer_of(load(truth), "brain, truth", path=str(truth))
    scan = layer_of(load(thick), "brain, 5 mm slices", path=str(thick))
    prepare_view([scan])
    return [(data, {**keywords, "visible": False}, kind), scan]


@dataclass(frozen=True)
class _Scan:
    """Something to open: what to call it, where it lies, its series ("" for one file), and how to read it."""

    name: str
    path: Path
    series: str
    read: Callable[[], list[Volume]]


def _scans(paths: Sequence[Path]) -> Iterator[_Scan]:
    """Every scan in one file, and every volume of every DICOM series that is not open yet."""
    from medsr.io import load_all
    from medsr.io.formats import stem

    begun = _open_series()
    for path in paths:
        if path.is_dir():
            yield from _scans_in(path)
        elif (known := _format(path)) is not None and not known.is_series:
            yield _Scan(stem(path.name), path, "", partial(load_all, path))
        else:
            series = _series_key(path)
            if series not in begun:
                begun.add(series)
                yield from _scans_in(path.parent, path)


def _scans_in(folder: Path, member: Path | None = None) -> Iterator[_Scan]:
    """The scans of a folder tree, or the volumes of the series that one of its files belongs to."""
    from medsr.io import load_all
    from medsr.io.dicom.reading import left_out_said, read_found
    from medsr.io.dicom.triage import LeftOut, triage, triage_files
    from medsr.io.discover import beside_volumes
    from medsr.io.formats import stem

    if member is None:
        found = triage(folder)
    else:
        found = triage_files(sorted(file for file in folder.iterdir() if file.is_file()))
        numbers = {volume.series for volume in found.volumes if member in volume.paths}
        found = replace(found, volumes=tuple(volume for volume in found.volumes if volume.series in numbers))
    usable = [volume for volume in found.volumes if volume.stacks]
    alone: list[Found] = []
    if member is None:
        alone, others = beside_volumes(folder, found.left_out)
        problems = [LeftOut(one.files[0], "ignored", one.problem) for one in alone if one.problem]
        alone = [one for one in alone if not one.problem]
        found = replace(found, left_out=(*others, *problems))
    if not usable and not alone:  # reading the path says why
        path = folder if member is None else member
        yield _Scan(folder.name, path, "", partial(load_all, path))
        return
    for text in left_out_said(found) if member is None else ():
        _warn(f"{folder.name}: {text}")
    if len(alone) > MOST_LAYERS:
        _warn(f"{folder.name}: the first {MOST_LAYERS} of {len(alone)} files are opened; a batch takes them all")
    for number, volume in enumerate(usable, start=1):
        first = volume.paths[0]
        name = folder.name if len(usable) == 1 else f"{folder.name} [{number}]"
        yield _Scan(name, first, _series_key(first), partial(_volumes, read_found, volume))
    for one in alone[:MOST_LAYERS]:
        (path, *_) = one.files
        yield _Scan(stem(path.name), path, "", partial(load_all, path))


def _volumes(read: Callable[[Any], list[Any]], found: Any) -> list[Volume]:
    return [scan.volume for scan in read(found)]


def _layers_of(scan: _Scan) -> list[LayerData]:
    volumes = scan.read()
    if len(volumes) > MOST_LAYERS:
        _warn(f"{scan.name}: the first {MOST_LAYERS} of {len(volumes)} volumes are shown; medsr enhance takes them all")
    names = [scan.name] if len(volumes) == 1 else [f"{scan.name} [{n}]" for n in range(1, len(volumes) + 1)]
    layers = []
    for volume, name in zip(volumes[:MOST_LAYERS], names, strict=False):
        layer = layer_of(volume, name, path=str(scan.path))
        layer[1]["metadata"][METADATA_KEY]["series"] = scan.series
        layers.append(layer)
    return layers


def _series_key(path: Path) -> str:
    """Hash of a file's folder and series, "" where it has no slices or can't be read (loading says why)."""
    from medsr.io.dicom.headers import modality_of, read_header, series_uid

    try:
        header = read_header(path)
        if modality_of(header) is None:
            return ""
        return hashlib.sha256(f"{path.parent.resolve()}\n{series_uid(header)}".encode()).hexdigest()
    except MedsrError:
        return ""


def _open_series() -> set[str]:
    """Keys of the series in the viewer in front; empty outside napari."""
    napari: Any = sys.modules.get("napari")
    viewer = None if napari is None else napari.current_viewer()
    layers = [] if viewer is None else viewer.layers
    return {layer.metadata.get(METADATA_KEY, {}).get("series", "") for layer in layers} - {""}


def prepare_view(layers: Sequence[LayerData]) -> None:
    """Have the first scan of an empty viewer shown as people look at such scans; in the viewer's thread."""
    napari: Any = sys.modules.get("napari")
    viewer = None if napari is None else napari.current_viewer()
    if viewer is not None and layers and not len(viewer.layers):
        show_first(viewer, slice_axis_of(layers[0][1]["metadata"][METADATA_KEY]))


def _warn(text: str) -> None:
    napari: Any = sys.modules.get("napari")
    if napari is not None:
        from napari.utils.notifications import show_warning

        show_warning(text)


def _as_list(path: Paths) -> list[str]:
    return [path] if isinstance(path, str) else list(path)


def _is_scan(path: Path) -> bool:
    """Whether a file is a scan by its content, or one of the first files of a folder tree is."""
    from medsr.io.folders import tree

    if not path.is_dir():
        return _format(path) is not None
    try:
        listed = [file for file in tree(path) if not file.is_dir()]
    except MedsrError:
        return False
    return any(_format(file) is not None for file in listed[:MOST_SNIFFED])


def _format(path: Path) -> Format | None:
    """The format of a path by its content; None for what can't be opened."""
    from medsr.io.formats import by_content

    try:
        return by_content(path)
    except (MedsrError, OSError, ValueError):
        return None
