"""Floor 5: path to path: one scan enhanced or degraded, scans packed for training, a recipe trained."""
