"""How long a plan will take."""

from __future__ import annotations

from medsr.batch.plan import Plan
from medsr.enhancement.estimate import SECONDS_PER_MVOXEL, measured_speed
from medsr.model.weights import load_model


def forecast(plan: Plan) -> float:
    """Seconds with one process on the first device, from the speed of the network in a short probe.

    Raises:
        ModelError: no such model.
        ResourceError: no such device.
    """
    recipe = plan.recipe
    model = load_model(recipe.model, recipe.device.partition(",")[0])
    samples = {"mean": 0, "sample": 1, "uncertainty": recipe.enhance.samples}[recipe.enhance.mode]
    evaluations = 2**recipe.enhance.flips + recipe.enhance.steps * samples
    return float(plan.voxels * (evaluations / measured_speed(model) + 1e-6 * SECONDS_PER_MVOXEL * (1 + samples)))
