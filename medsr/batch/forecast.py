"""How long a plan will take."""

from __future__ import annotations

from medsr.batch.plan import Plan
from medsr.enhancement.estimate import SECONDS_PER_MVOXEL, measured_speed
from medsr.enhancement.posterior import evaluations_of
from medsr.model.weights import load_model


def forecast(plan: Plan) -> float:
    """Seconds with one process on the first device, from the speed of the network in a short probe.

    Raises:
        ModelError: no such model.
        ResourceError: no such device.
    """
    settings = plan.recipe.enhance
    model = load_model(settings.model, settings.device.partition(",")[0])
    per_voxel = evaluations_of(settings) / measured_speed(model)
    return float(plan.voxels * (per_voxel + 1e-6 * SECONDS_PER_MVOXEL * (1 + settings.n_samples)))
