"""Floor 5: path to path: one scan enhanced or degraded, many in a batch, scans packed for training, models trained."""
