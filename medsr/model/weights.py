"""Models from weights files and back: everything that a model needs is in one safetensors file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from medsr.diffusion.process import Process
from medsr.diffusion.processes import PROCESSES
from medsr.errors import ModelError, ResourceError
from medsr.model import DEFAULT_MODEL
from medsr.model.nets import Autoencoder, LatentNet, Net, channels_last, network_of
from medsr.model.nets.layers import ResidualBlock
from medsr.model.packaged import packaged_models
from medsr.model.spec import ModelSpec, metadata_of, specification_in
from medsr.model.weights_file import MAX_BYTES, content_of

DEVICES = "auto, cpu, cuda, cuda:N or mps"


@dataclass(frozen=True)
class Model:
    """A network on a device, with its specification.

    Attributes:
        net: Network with float32 parameters.
        spec: Specification of the model.
        sha256: SHA-256 of the weights file, in hexadecimal.
        device: Device that holds the network.
        dtype: Number type of its convolutions.
        classifier: Classifier that leads samples (`EnhanceSettings.classifier`); None: nothing does.
    """

    net: Net
    spec: ModelSpec
    sha256: str
    device: torch.device
    dtype: torch.dtype
    classifier: Model | None = None

    @property
    def process(self) -> Process:
        """Diffusion process that the network was trained for."""
        return PROCESSES[self.spec.process]

    def facts(self) -> dict[str, str]:
        """What a record says of it."""
        facts = {"name": self.spec.name, "version": self.spec.version, "sha256": self.sha256}
        return facts if self.classifier is None else {**facts, "classifier_sha256": self.classifier.sha256}

    def __call__(self, maps: Tensor, conditions: Tensor) -> Tensor:
        """Maps (B, N_MAPS, I, J, K) and conditions (B, N_CONDITIONS) to float32 (B, 2, I, J, K).

        Where states are codes, as `LatentNet`. Maps that require a gradient get one.
        """
        inference = torch.inference_mode(not maps.requires_grad)
        with inference, torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            out: Tensor = self.net(maps.to(self.device, self.dtype), conditions.to(self.device))
        return out

    @property
    def n_layers(self) -> int:
        """Residual blocks, which take nearly all of the time."""
        return len(self._blocks)

    def watched(self, on_layer: Callable[[], None]) -> Callable[[Tensor, Tensor], Tensor]:
        """The same function of maps and conditions, which calls `on_layer` after each of its `n_layers` blocks."""

        def compute(maps: Tensor, conditions: Tensor) -> Tensor:
            with ExitStack() as hooks:
                for block in self._blocks:
                    hooks.callback(block.register_forward_hook(lambda *_: on_layer()).remove)
                return self(maps, conditions)

        return compute

    @property
    def _blocks(self) -> list[ResidualBlock]:
        return [block for block in self.net.modules() if isinstance(block, ResidualBlock)]


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name; "auto" takes CUDA where there is one, and never Apple's "mps", which must be asked for.

    Raises:
        ResourceError: no such device on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ResourceError(f"device is {name!r}; expected {DEVICES}") from error
    if device.type not in ("cpu", "cuda", "mps"):
        raise ResourceError(f"device {name!r} is not supported; expected {DEVICES}")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ResourceError(f"device {name} is not available, torch has no Metal here; use --device cpu")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ResourceError(
            f"device {name} is not available, torch sees {torch.cuda.device_count()} CUDA devices; use --device cpu, "
            "or install a CUDA build of torch"
        )
    return device


def fastest_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the device computes in it natively, else float32 (a CPU without it would emulate)."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    native: Callable[[], bool] = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return torch.bfloat16 if device.type == "cpu" and native() else torch.float32


def load_model(name_or_file: str | Path = DEFAULT_MODEL, device: str | torch.device = "auto") -> Model:
    """The model of a packaged name or of a weights file.

    Args:
        name_or_file: Name of a packaged model, or path of a weights file.
        device: "auto" (CUDA where there is one), "cpu", "cuda", "cuda:N" or "mps".

    Raises:
        ModelError: an unknown name, or a file that is damaged, not safetensors or not a model of this version.
        ResourceError: no such device on this machine.
    """
    place = choose_device(device) if isinstance(device, str) else device
    packaged = packaged_models()
    path = packaged.get(str(name_or_file), Path(name_or_file))
    content = content_of(path)
    digest = hashlib.sha256(content).hexdigest()
    if path in packaged.values():
        _check_shipped(path, digest)
    spec = specification_in(content, path.name)
    try:
        net = _network(spec)
    except ValueError as error:
        raise ModelError(
            f"{path.name}: its network is none of the process {spec.process} ({error}); get the file again"
        ) from error
    try:
        net.load_state_dict({name: value.float() for name, value in load(content).items()}, assign=True)
    except (RuntimeError, SafetensorError) as error:
        raise ModelError(
            f"{path.name}: the weights do not fit the network in their metadata; get the file again"
        ) from error
    if not all(bool(torch.isfinite(value).all()) for value in net.state_dict().values()):
        raise ModelError(f"{path.name}: some weights are not finite; get the file again")
    net.eval().requires_grad_(False)
    return Model(channels_last(net.to(place)), spec, digest, place, fastest_dtype(place))


def _network(spec: ModelSpec) -> Net:
    """A network to read weights into; the caller's random numbers stay as they were.

    Raises:
        ValueError: A network that the process has no use for.
    """
    with torch.random.fork_rng(devices=[]):
        net = network_of(spec.net, spec.autoencoder)
    process = PROCESSES[spec.process]
    if (isinstance(net, LatentNet), isinstance(net, Autoencoder)) != (process.coded, process.encodes):
        raise ValueError(f"found {type(net).__name__}")
    return net


def weights_bytes(state: dict[str, Tensor], spec: ModelSpec) -> bytes:
    """A weights file's content: bfloat16 kernels, float32 for the rest, the specification as metadata.

    Raises:
        ModelError: larger than 16 MiB.
    """
    tensors = {
        name: (value.bfloat16() if value.ndim > 1 else value.float()).contiguous().cpu()
        for name, value in state.items()
    }
    content = save(tensors, {"medsr": metadata_of(spec)})
    if len(content) > MAX_BYTES:
        raise ModelError(f"the weights need {len(content)} bytes; the limit is {MAX_BYTES}, so use a smaller network")
    return content


def sealed_weights(model: Model, statistics: Mapping[str, dict[str, tuple[float, float]]]) -> bytes:
    """The model's weights file with these ranges in its metadata; the weights themselves do not change.

    Args:
        model: Loaded model.
        statistics: Usual range of each scan statistic, by modality and name.
    """
    envelope = replace(model.spec.envelope, statistics=dict(statistics))
    return weights_bytes(model.net.state_dict(), replace(model.spec, envelope=envelope))


def _check_shipped(path: Path, digest: str) -> None:
    try:
        expected = path.with_suffix(".sha256").read_text().split()[0]
    except (OSError, IndexError, UnicodeDecodeError) as error:
        raise ModelError(f"{path.name} lacks its .sha256 file; reinstall medsr") from error
    if digest != expected:
        raise ModelError(f"{path.name} has SHA-256 {digest[:12]}...; expected {expected[:12]}..., so reinstall medsr")
