"""The networks: tensors in, tensors out; no diffusion, no scanners, no files.

- `detail`: `DetailNet`.
- `autoencoder`: `Autoencoder`, codes of details.
- `latent`: `LatentNet`, `DetailNet` on codes.
- `layers`: the blocks it is made of.
"""

from medsr.model.net_spec import NetSpec
from medsr.model.nets.autoencoder import Autoencoder
from medsr.model.nets.detail import DetailNet
from medsr.model.nets.latent import LatentNet
from medsr.model.nets.layers import channels_last

Net = DetailNet | Autoencoder
"""What a weights file holds."""


def network_of(spec: NetSpec, autoencoder: NetSpec | None = None) -> Net:
    """A network with random weights: of details, of codes where an autoencoder is given, or else what makes them.

    Args:
        spec: Sizes of the network.
        autoencoder: Sizes of the autoencoder that the states are codes of.

    Raises:
        ValueError: Codes of another size than the autoencoder's.
    """
    if autoencoder is None:
        return Autoencoder(spec) if spec.codes else DetailNet(spec)
    if spec.codes != autoencoder.codes or not spec.codes:
        raise ValueError(f"codes of {spec.codes} numbers, and an autoencoder of {autoencoder.codes}")
    return LatentNet(spec, autoencoder)


__all__ = ["Autoencoder", "DetailNet", "LatentNet", "Net", "channels_last", "network_of"]
