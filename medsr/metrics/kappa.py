"""Agreement of two readers beyond chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def weighted_kappa(first: Sequence[int], second: Sequence[int], n_categories: int) -> float:
    """Cohen's kappa with quadratic weights (Cohen 1968): 1 - sum w o / sum w e, w = (i - j)^2.

    o are the shares of cases by both readers' categories, e those that their own frequencies would give by chance. 1 is
    perfect, 0 is chance, below 0 is worse. With two categories it is the unweighted kappa (Cohen 1960). NaN without
    cases, and where both always give one and the same category, which leaves nothing to agree on beyond chance.

    Args:
        first: Category of each case by one reader, 0 to n_categories - 1.
        second: The same cases by the other reader.
        n_categories: Number of ordered categories, at least 2.
    """
    a, b = (np.asarray(one, dtype=np.intp) for one in (first, second))
    if not a.size:
        return float("nan")
    observed = np.zeros((n_categories, n_categories))
    np.add.at(observed, (a, b), 1 / a.size)
    expected = np.outer(observed.sum(1), observed.sum(0))
    steps = np.arange(n_categories)
    weights = np.square(steps[:, None] - steps[None, :])
    by_chance = float((weights * expected).sum())
    return 1 - float((weights * observed).sum()) / by_chance if by_chance > 0 else float("nan")
