"""More rows for a surrogate to learn from, where there are few of them and many columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.rows.kinds import is_pandas, is_sparse

__all__ = ["augmented", "n_augmentations"]


def n_augmentations(n_rows: int, n_columns: int, most: float) -> int:
    """How many times `augmented` repeats the rows: until they are about as many as the columns, at most `most`."""
    return max(0, int(min(n_columns // max(n_rows, 1) - 1, most)))


def augmented(rows: Any, max_num_of_augmentations: float = np.inf) -> Any:
    """Rows, followed by copies of themselves in which columns have changed places.

    Parameters
    ----------
    rows : array, csr or pandas.DataFrame of shape (n_rows, n_columns)
        In a frame, columns change places with those of the same type only.
    max_num_of_augmentations : int
        Copies; fewer where `n_augmentations` says so.

    Returns
    -------
    The same kind of container; `rows` itself where there is nothing to add. Copy number i is shuffled with seed i.

    Raises
    ------
    TypeError
        Copies are due, but rows are of another kind.
    """
    n_columns = rows.shape[1]
    n_copies = n_augmentations(rows.shape[0], n_columns, max_num_of_augmentations)
    if not n_copies:
        return rows
    from sklearn.utils import shuffle

    orders = [shuffle(np.arange(n_columns), random_state=i) for i in range(n_copies)]
    if is_sparse(rows):
        import scipy.sparse

        columns = rows.tocsc()
        return scipy.sparse.vstack([rows, *(columns[:, order] for order in orders)], format="csr")
    if isinstance(rows, np.ndarray):
        return np.vstack([rows, *(rows[:, order] for order in orders)])
    if is_pandas(rows):
        import pandas as pd

        return pd.concat([rows, *(_shuffled_frame(rows, i, order) for i, order in enumerate(orders))])
    raise TypeError(
        f"Rows of type {type(rows).__module__}.{type(rows).__qualname__} cannot be augmented: pass an array, a csr "
        "matrix or a pandas table, or augment_data=False."
    )


def _shuffled_frame(frame: Any, seed: int, order: NDArray[np.intp]) -> Any:
    """A copy with the values of other columns under each name."""
    from sklearn.utils import shuffle

    dtypes = list(frame.dtypes)
    if any(dtype != dtypes[0] for dtype in dtypes):
        order = np.arange(len(dtypes))
        for dtype in dict.fromkeys(dtypes):
            alike = np.array([j for j, other in enumerate(dtypes) if other == dtype])
            order[alike] = shuffle(alike, random_state=seed)
    shuffled = frame.iloc[:, order]
    shuffled.columns = frame.columns
    return shuffled
