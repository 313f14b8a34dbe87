"""What methods make of one crop under one task, as the validation computes it; kept for the picture and the Dice."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from medsr.enhancement.leading import led_model
from medsr.enhancement.settings import EnhanceSettings
from medsr.io import files, load
from medsr.model.weights import load_model
from medsr.model.weights_file import model_facts
from medsr.physics.tasks import TASKS
from medsr.training.budget import clock_of
from medsr.validation.methods import LEARNED
from medsr.validation.plan import plan_trials
from medsr.validation.recipe import StudyRecipe
from medsr.validation.trial import make_trial, restorations

Results = dict[str, NDArray[np.float32]]
SECONDS = "seconds"  # beside the results in their file


@dataclass(frozen=True)
class CropCase:
    """One crop under one task, by some methods.

    Attributes:
        crop: File of the crop.
        task: Name of the task.
        methods: Names out of `medsr.validation.methods.ALL_METHODS`.
        settings: What is asked of the learned methods, with their weights.
        folder: Folder that keeps the results.
    """

    crop: Path
    task: str
    methods: tuple[str, ...]
    settings: EnhanceSettings
    folder: Path

    def key(self) -> str:
        """The validation's hash of all that decides about the results: the crop, the weights, what is asked."""
        recipe = StudyRecipe(tasks=(TASKS[self.task],), methods=self.methods, enhance=self.settings)
        (planned,) = plan_trials([self.crop.absolute()], recipe, self._weights_sha256() if self._learns() else "")
        return planned.key

    def kept(self) -> Results | None:
        """The results (I, J, K) in the crop's unit and RAS order, by method; None where they were not computed yet."""
        known = self._kept()
        return None if known is None else {name: known[name] for name in self.methods}

    def _kept(self) -> Results | None:
        try:
            with np.load(self._path(), allow_pickle=False) as arrays:
                return {name: arrays[name] for name in (*self.methods, SECONDS)}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None

    def results(self) -> Results:
        """The results as `kept` has them, computed where they are missing.

        Raises:
            MedsrError: as `medsr.validation.trial.restorations`.
        """
        known = self._kept() or self._computed()
        return {name: known[name] for name in self.methods}

    def seconds(self) -> dict[str, float]:
        """How long each of them took, by method: on a CPU the process alone (`medsr.training.budget.clock_of`).

        Raises:
            MedsrError: as `results`.
        """
        known = self._kept() or self._computed()
        return dict(zip(self.methods, known[SECONDS].tolist(), strict=True))

    def _computed(self) -> Results:
        trial = make_trial(load(self.crop), TASKS[self.task], self.settings)
        model = None
        if self._learns():
            model = led_model(load_model(self.settings.model, self.settings.device), self.settings)
        clock = clock_of(torch.device("cpu") if model is None else model.device)
        found, seconds, began = Results(), [], clock()
        for name, x, _ in restorations(trial, model, self.methods, self.settings):
            found[name], before, began = x, began, clock()
            seconds.append(began - before)
        found[SECONDS] = np.array(seconds, np.float32)
        self.folder.mkdir(parents=True, exist_ok=True)
        with files.atomic(self._path()) as file:
            np.savez_compressed(file, allow_pickle=False, **found)
        return found

    def _path(self) -> Path:
        return self.folder / f"{self.key()}.npz"

    def _learns(self) -> bool:
        return bool(set(self.methods) & set(LEARNED))

    def _weights_sha256(self) -> str:
        leader = self.settings.classifier
        return model_facts(self.settings.model)["sha256"] + ("" if leader is None else model_facts(leader)["sha256"])
