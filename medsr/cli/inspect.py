"""inspect, models, doctor: the commands that only look."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medsr.cli import options
from medsr.cli.progress import reported
from medsr.errors import InputError, ModelError, UsageError
from medsr.io.formats import by_content, readable
from medsr.model import DEFAULT_MODEL

MAX_REASONS = 3  # named in one message

if TYPE_CHECKING:
    from medsr.model.spec import ModelSpec
    from medsr.physics.acquisition import Acquisition
    from medsr.volume import Volume


def inspect(
    path: Annotated[Path, typer.Argument(metavar="PATH", help=f"{readable()}, or a folder tree.")],
    model: Annotated[str, options.model(help="Model whose envelope decides.")] = DEFAULT_MODEL,
    verbose: Annotated[bool, options.verbose()] = False,
) -> None:
    """Show what a scan is, or what a folder tree holds, and what medsr would make of it."""
    from medsr.io import load_all
    from medsr.model.weights_file import describe_model, weights_path

    spec = describe_model(weights_path(model))
    if by_content(path).is_series and path.is_dir():
        _inspect_tree(path, spec, verbose)
    else:
        _describe(load_all(path), spec, verbose)


def _inspect_tree(path: Path, spec: ModelSpec, verbose: bool) -> None:
    """Print the volumes of a folder tree as a table, or its only one in full."""
    from medsr.cli.listing import print_fusable, print_left_out, print_triage
    from medsr.io import load_all
    from medsr.io.dicom.reading import read_found
    from medsr.io.dicom.triage import triage
    from medsr.io.discover import beside_volumes

    with reported("headers", quiet=False) as on_progress:
        found = triage(path, lambda done, total: on_progress("read", done, total))
    alone, others = beside_volumes(path, found.left_out)
    if not found.volumes and not alone:
        print_triage(found, alone, others, spec.envelope, spec.name)
        reasons = Counter(left.reason for left in found.left_out).most_common(MAX_REASONS)
        said = "; ".join(f"{n} x {reason}" for reason, n in reasons) or "the folder is empty"
        raise InputError(f"{path}: no MR or CT volume in {found.n_files} files ({said}); expected an MR or CT series")
    only = found.volumes[0] if len(found.volumes) == 1 else None
    if only is None or len(only.times) > 1 or {file.parent for file in only.paths} != {path}:
        print_triage(found, alone, others, spec.envelope, spec.name)
        if all(volume.reason for volume in found.volumes) and all(one.problem for one in alone):
            raise InputError(f"{path}: none of the scans in it can be read, as the table says; send them again")
        print_fusable(path, found.volumes, alone)
        return
    _describe([scan.volume for scan in read_found(only)] if only.stacks else load_all(path), spec, verbose)
    print_left_out(alone, others)


def _describe(volumes: Sequence[Volume], spec: ModelSpec, verbose: bool) -> None:
    """Print every volume of a file or series in full."""
    from medsr import affine as grids
    from medsr.cli.slices import slices_of
    from medsr.enhancement.assumed import told_by_voxels
    from medsr.enhancement.settings import EnhanceSettings
    from medsr.physics.acquired_grid import stored_finer_said
    from medsr.physics.assumption import white_noise

    for number, volume in enumerate(volumes):
        source = volume.source
        spacing = grids.axes_text(volume.spacing_mm)
        shape = grids.axes_text(volume.shape)
        rows = [
            ("volume", str(number)),
            ("format", f"{source.format}, stored as {source.dtype}"),
            ("modality", _modality(volume)),
            ("grid", f"{shape} voxels, {spacing} mm, axes {grids.axis_codes(volume.affine)}"),
            ("slices", slices_of(volume.thickness_mm, volume.slice_axis, volume.spacing_mm)),
            ("values", f"{volume.data.min():g} to {volume.data.max():g}"),
        ]
        if source.acquired:
            rows.append(("acquired", ", ".join(source.acquired)))
        try:
            white = white_noise(volume)
            scan, acquisition = told_by_voxels(volume, EnhanceSettings(), white)
        except UsageError as error:
            rows.append(("finer", str(error)))
        else:
            fine = grids.axes_text(acquisition.fine_spacing_mm)
            rows.append(("finer", f"{grids.axes_text(acquisition.fine_shape)} voxels, {fine} mm by default"))
            rows.append(("assumed", acquisition.assumed_text))
            rows += _verdict(scan, acquisition, white if scan is volume else white_noise(scan), spec, verbose)
            if scan is not volume:
                rows.append(("samples", stored_finer_said(volume, scan)))
        rows += [("warning", text) for text in source.warnings]
        for name, text in rows:
            typer.echo(f"{name:<10}{text}")


def _modality(volume: Volume) -> str:
    source = volume.source
    stated = " ".join(dict.fromkeys((volume.modality, source.contrast))).rstrip()
    if not source.modality_guessed:
        return stated
    doubt = f": {source.modality_doubt}; give --modality" if source.modality_doubt else ""
    return f"{stated}, guessed from the values{doubt}"


def _noise(volume: Volume, acquisition: Acquisition, white: float) -> str:
    """The noise that results start from where nobody tells it; `white` is what of it is white."""
    from medsr.enhancement.noise import estimated_noise, refines_plane

    sigma = estimated_noise(volume, plane_refined=refines_plane(volume, acquisition), white=white)
    return f"standard deviation {sigma:.3g}{' HU' if volume.modality == 'CT' else ''} (estimated)"


def _verdict(
    volume: Volume, acquisition: Acquisition, white: float, spec: ModelSpec, verbose: bool
) -> list[tuple[str, str]]:
    """The noise and how `enhance` judges the scan, voxels included; with the numbers where they are asked for."""
    from medsr.enhancement.envelope import judge

    try:
        verdict = judge(volume, acquisition, spec.envelope)
    except InputError as error:
        return [("envelope", str(error))]
    said = [("noise", _noise(volume, acquisition, white)), ("envelope", verdict.said(spec.name))]
    return [*said, *(("", text) for text in verdict.measured if verbose)]


def models(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Packaged model or a file; by default all that are packaged.")
    ] = None,
    as_json: Annotated[bool, options.option("--json", help="Print the whole specification of NAME as JSON.")] = False,
) -> None:
    """List the models that come with medsr, or describe one."""
    from dataclasses import asdict
    from json import dumps

    from medsr.model.packaged import packaged_models
    from medsr.model.weights_file import describe_model

    packaged = packaged_models()
    if name is None:
        for found, path in packaged.items():
            spec = describe_model(path)
            size = path.stat().st_size / 2**20
            typer.echo(f"{found}  {spec.version}  {size:.1f} MiB  {', '.join(spec.envelope.contrasts)}")
        return
    spec = describe_model(packaged.get(name, Path(name)))
    if as_json:
        typer.echo(dumps(asdict(spec), indent=1))
        return
    for title, text in _described(spec):
        typer.echo(f"{title:<12}{text}")


def _described(spec: ModelSpec) -> list[tuple[str, str]]:
    """A model for people: what it is for, how far it was validated, what it was trained with."""
    envelope, net = spec.envelope, spec.net
    low, high = envelope.fine_mm
    calibrated = "not calibrated"
    if spec.calibration is not None:
        groups = ", ".join(f"{group}: {n}" for group, n in spec.calibration.subjects.items())
        calibrated = f"calibrated on held-out subjects ({groups})"
    return [
        ("model", f"{spec.name} {spec.version}, {spec.licence}"),
        ("scans", f"{' and '.join(envelope.modalities)}; validated on {', '.join(envelope.contrasts)}"),
        ("factors", f"up to {envelope.max_factor:g} along one axis, {envelope.max_factor_several:g} along several"),
        ("grids", f"slices every {envelope.max_coarse_mm:g} mm or less; results of {low:g} to {high:g} mm"),
        ("intensities", spec.normalisation),
        ("uncertainty", calibrated),
        ("network", f"{net.blocks} blocks of {net.width} channels, {net.deep_blocks} deeper ones of {net.deep_width}"),
        ("training", f"{spec.trained.get('steps', 'an unknown number of')} steps"),
        ("more", "--json prints the whole specification"),
    ]


def doctor() -> None:
    """Check the installation: versions, device, weights, and one small scan through everything."""
    import nibabel
    import numpy as np
    import pydicom
    import torch

    from medsr.enhancement.enhancement import enhance
    from medsr.enhancement.settings import EnhanceSettings
    from medsr.errors import MedsrError
    from medsr.model.weights import load_model
    from medsr.volume import Volume

    typer.echo(f"python     {platform.python_version()} on {platform.system()} {platform.machine()}")
    typer.echo(f"libraries  torch {torch.__version__}, nibabel {nibabel.__version__}, pydicom {pydicom.__version__}")
    try:
        model = load_model()
    except MedsrError as error:
        raise ModelError(f"weights can't be used: {error}") from error
    typer.echo(
        f"device     {model.device.type}, computing in {str(model.dtype).removeprefix('torch.')}, "
        f"{torch.get_num_threads()} threads"
    )
    typer.echo(f"model      {model.spec.name} {model.spec.version}, SHA-256 {model.sha256[:12]}... as shipped")
    i, j, k = np.indices((24, 24, 24)) - 11.5
    ball = np.where(i**2 + j**2 + k**2 < 64, np.float32(110), np.float32(10))
    scan = Volume(ball, np.diag([2.0, 2.0, 2.0, 1.0]))
    result = enhance(scan, model, EnhanceSettings(force=True))  # no model was made for a ball of two values
    typer.echo(f"self-test  24 to 48 voxels a side, residual {result.record.residual or 0:.2f} noise units")
    typer.echo("ok")
