"""Whether a model can do what is asked of its process, and the classifier that leads its samples."""

from __future__ import annotations

from dataclasses import replace

from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import ModelError, UsageError
from medsr.model.weights import Model, load_model


def led_model(model: Model, settings: EnhanceSettings) -> Model:
    """The model, with the classifier that the settings name.

    Args:
        model: Loaded model.
        settings: Request; mode, steps, strength, guidance and classifier matter here.

    Raises:
        UsageError: More steps than the process has, guidance by a condition that the model was never trained without, a
            classifier of details for a model of whole scans or codes, or a strength of a detail that it does not know.
        ModelError: An autoencoder or a classifier in the place of a model, or the other way round, or a file that can't
            be read.
    """
    process, name = model.process, model.spec.name
    if process.classifies:
        raise ModelError(f"{name} is a classifier, which enhances nothing; give it as --classifier beside a model")
    if process.encodes:
        raise ModelError(
            f"{name} is an autoencoder, which enhances nothing; give weights that were trained on its codes"
        )
    if settings.mode != "mean" or not process.tells_mean:
        process.levels(settings.steps)  # refuses steps that it does not have
    if settings.strength < 1 and process.models == "scan":
        raise UsageError(f"strength is {settings.strength:g}; {name} knows whole scans and no detail, so leave it at 1")
    if settings.guidance != 1 and not (process.sees_scan and 0 < model.spec.drop_condition < 1):
        raise UsageError(
            f"guidance is {settings.guidance:g}; {name} was not trained with and without the scan (drop_condition), so "
            "leave it at 1"
        )
    if settings.classifier is None:
        return model
    classifier = load_model(settings.classifier, model.device)
    if not classifier.process.classifies:
        raise ModelError(f"{classifier.spec.name} is not a classifier; expected weights of the process 'sharpness'")
    if process.models == "scan" or process.coded:
        known = "codes" if process.coded else "whole scans"
        raise UsageError(f"{name} knows {known}, and classifiers know details; leave --classifier out")
    return replace(model, classifier=classifier)
