"""How long a plan will take."""

from __future__ import annotations

from medsr.batch.plan import Plan
from medsr.enhancement.estimate import expected_seconds, measured_speed
from medsr.model.weights import load_model


def forecast(plan: Plan) -> float:
    """Seconds with one process on the first device, from the speed of the network in a short probe.

    Raises:
        ModelError: no such model.
        ResourceError: no such device.
    """
    settings = plan.recipe.enhance
    model = load_model(settings.model, settings.device.partition(",")[0])
    return expected_seconds(settings, model.process, plan.work_voxels, plan.work_voxels, measured_speed(model))
