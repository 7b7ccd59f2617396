"""Owen values: Shapley values under a hierarchy, in which features join a coalition by whole branches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAX_OWEN_COALITIONS", "OwenGame"]

# A balanced hierarchy of 256 features has half as many.
MAX_OWEN_COALITIONS = 2**17


class OwenGame:
    """The coalitions of a binary hierarchy, and what their values say of each feature.

    Parameters
    ----------
    linkage : array of shape (n_features - 1, 4)
        As of `scipy.cluster.hierarchy.linkage`: row i joins nodes ``linkage[i, 0]`` and ``linkage[i, 1]`` to node
        ``n_features + i``.

    Attributes
    ----------
    linkage : array
    masks : bool array of shape (n_coalitions, n_features)
        Coalitions to be evaluated, none twice.

    Raises
    ------
    ValueError
        The hierarchy has more than 2^17 coalitions.

    Notes
    -----
    Owen 1977. At each level of the hierarchy the sibling of a feature's branch is in the coalition or not, with
    probability 1/2 each: a feature at depth k is the mean of 2^k differences v(S + i) - v(S).
    """

    def __init__(self, linkage: NDArray[np.float64]) -> None:
        self.linkage = linkage
        n = len(linkage) + 1
        children = np.asarray(linkage)[:, :2].astype(np.intp)
        _check_affordable(children, n)
        members = [1 << i for i in range(n)]
        for left, right in children:
            members.append(members[left] | members[right])
        self._position: dict[int, int] = {}
        without: list[list[int]] = [[] for _ in range(n)]
        joined: list[list[int]] = [[] for _ in range(n)]
        waiting = [(len(members) - 1, 0)]  # a branch, and what is in the coalition outside of it
        while waiting:
            node, outside = waiting.pop()
            if node < n:
                without[node].append(self._place(outside))
                joined[node].append(self._place(outside | members[node]))
                continue
            left, right = children[node - n]
            waiting += [(left, outside), (left, outside | members[right])]
            waiting += [(right, outside), (right, outside | members[left])]
        self._without = [np.array(places) for places in without]
        self._joined = [np.array(places) for places in joined]
        self.masks = _as_masks(list(self._position), n)

    def _place(self, coalition: int) -> int:
        return self._position.setdefault(coalition, len(self._position))

    def values(self, coalition_values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Owen values (n_features, n_outputs) from values of `masks`, (n_coalitions, n_outputs)."""
        pairs = zip(self._joined, self._without, strict=True)
        return np.stack([(coalition_values[a] - coalition_values[b]).mean(axis=0) for a, b in pairs])


def _check_affordable(children: NDArray[np.intp], n: int) -> None:
    depth = np.zeros(2 * n - 1, dtype=np.int64)
    total = 2
    for i in range(len(children) - 1, -1, -1):  # parents come after their children
        depth[children[i]] = depth[n + i] + 1
        total += 2 ** (int(depth[n + i]) + 1)
    if total > MAX_OWEN_COALITIONS:
        raise ValueError(
            f"The hierarchy of {n} features, {depth.max()} levels deep, has {total} coalitions; Owen values are "
            f"computed for at most {MAX_OWEN_COALITIONS}. Choose a more balanced clustering, or maskers.Independent."
        )


def _as_masks(coalitions: list[int], n: int) -> NDArray[np.bool_]:
    n_bytes = (n + 7) // 8
    flat = b"".join(coalition.to_bytes(n_bytes, "little") for coalition in coalitions)
    bits = np.unpackbits(np.frombuffer(flat, dtype=np.uint8).reshape(-1, n_bytes), axis=1, bitorder="little")
    return bits[:, :n].astype(bool)
