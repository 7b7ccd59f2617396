"""The scoring explainers by kind, and `scoring_explainer`, which chooses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from fastexplain.exceptions import UnsupportedModelError
from fastexplain.scoring.explainer import ScoringExplainer
from fastexplain.scoring.kinds import explainer_class

__all__ = [
    "DeepScoringExplainer",
    "KernelScoringExplainer",
    "LinearScoringExplainer",
    "TreeScoringExplainer",
    "scoring_explainer",
]


class _OfExplainer(ScoringExplainer):
    """A scoring explainer that is made of an explainer of its kind; parameters as of the classes below."""

    kind: ClassVar[str]

    def __init__(
        self,
        original_explainer: Any,
        initialization_examples: Any = None,
        feature_maps: list[Any] | None = None,
        raw_features: Sequence[Any] | None = None,
        engineered_features: Sequence[Any] | None = None,
    ) -> None:
        from fastexplain.scoring.build import parts_of

        parts = parts_of(original_explainer, feature_maps, raw_features, engineered_features, initialization_examples)
        if parts.method.kind != self.kind:
            raise UnsupportedModelError(
                f"{type(original_explainer).__name__} explains by its {parts.method.kind} method; "
                f"{type(self).__name__} is for {self.kind}. scoring_explainer(explainer) chooses."
            )
        self._parts = parts


class TreeScoringExplainer(_OfExplainer):
    """Scores and explains by a tree ensemble's arrays.

    Parameters
    ----------
    original_explainer : explainer
        `TabularExplainer`, `MimicExplainer`, or the explainer of the kind itself.
    feature_maps : list of array or sparse matrix, optional
        From raw features to the explained columns, in order: (n_raw, n_1), (n_1, n_2), ...; for an explainer without
        transformations.
    raw_features, engineered_features : sequence of str, optional
        Names before and after transformations; default: those that the explainer knows.
    initialization_examples : array or table, optional
        Rows whose columns' types and ranges are noted; default: the explainer's own.

    Raises
    ------
    UnsupportedModelError
        The explainer is of another kind, or something of it cannot be kept as data.
    InitDatasetMissingException
        The explainer has transformations, and has seen no rows.
    ValueError
        Maps or names do not fit.
    """

    kind = "tree"

    def __init__(
        self,
        original_explainer: Any,
        feature_maps: list[Any] | None = None,
        raw_features: Sequence[Any] | None = None,
        engineered_features: Sequence[Any] | None = None,
        *,
        initialization_examples: Any = None,
    ) -> None:
        super().__init__(original_explainer, initialization_examples, feature_maps, raw_features, engineered_features)


class LinearScoringExplainer(_OfExplainer):
    """Scores and explains by a linear model's coefficients.

    Parameters
    ----------
    original_explainer : explainer
        `TabularExplainer`, `MimicExplainer`, or the explainer of the kind itself.
    initialization_examples : array or table, optional
        Rows whose columns' types and ranges are noted; default: the explainer's own.
    feature_maps : list of array or sparse matrix, optional
        From raw features to the explained columns, in order: (n_raw, n_1), (n_1, n_2), ...; for an explainer without
        transformations.
    raw_features, engineered_features : sequence of str, optional
        Names before and after transformations; default: those that the explainer knows.

    Raises
    ------
    UnsupportedModelError
        The explainer is of another kind, or something of it cannot be kept as data.
    InitDatasetMissingException
        The explainer has transformations, and has seen no rows.
    ValueError
        Maps or names do not fit.
    """

    kind = "linear"


class KernelScoringExplainer(_OfExplainer):
    """Scores and explains by Kernel SHAP: a model whose formula is known as arrays, any other one as a black box.

    The artifact of a black box holds the background and options, and no model: `load` gives it one, ``predictor=``. Of
    an explainer of another kind, its model is explained anew, as azureml-interpret does it: against
    `initialization_examples`, or those of the explainer.

    Parameters
    ----------
    original_explainer : explainer
        `TabularExplainer`, `MimicExplainer`, or the explainer of the kind itself.
    initialization_examples : array or table, optional
        Rows whose columns' types and ranges are noted; default: the explainer's own.
    feature_maps : list of array or sparse matrix, optional
        From raw features to the explained columns, in order: (n_raw, n_1), (n_1, n_2), ...; for an explainer without
        transformations.
    raw_features, engineered_features : sequence of str, optional
        Names before and after transformations; default: those that the explainer knows.

    Raises
    ------
    UnsupportedModelError
        The explainer is of another kind, or something of it cannot be kept as data.
    InitDatasetMissingException
        The explainer has transformations, and has seen no rows.
    ValueError
        Maps or names do not fit.
    """

    kind = "kernel"

    def __init__(
        self,
        original_explainer: Any,
        initialization_examples: Any = None,
        feature_maps: list[Any] | None = None,
        raw_features: Sequence[Any] | None = None,
        engineered_features: Sequence[Any] | None = None,
    ) -> None:
        from fastexplain.scoring.build_kernel import as_kernel_explainer

        kernel = as_kernel_explainer(original_explainer, initialization_examples)
        super().__init__(kernel, initialization_examples, feature_maps, raw_features, engineered_features)


class DeepScoringExplainer(_OfExplainer):
    """Scores and explains by DeepLIFT of a network's layers.

    Parameters
    ----------
    original_explainer : explainer
        `TabularExplainer`, `MimicExplainer`, or the explainer of the kind itself.
    initialization_examples : array or table, optional
        Rows whose columns' types and ranges are noted; default: the explainer's own.
    serializer : object, optional
        Saved models as code in azureml-interpret. Not needed here, and of no help with a network that is not known.
    feature_maps : list of array or sparse matrix, optional
        From raw features to the explained columns, in order: (n_raw, n_1), (n_1, n_2), ...; for an explainer without
        transformations.
    raw_features, engineered_features : sequence of str, optional
        Names before and after transformations; default: those that the explainer knows.

    Raises
    ------
    UnsupportedModelError
        The explainer is of another kind, or something of it cannot be kept as data.
    UnsupportedModelException
        The network has a layer that cannot be kept as data; the message names it.
    InitDatasetMissingException
        The explainer has transformations, and has seen no rows.
    ValueError
        Maps or names do not fit.
    """

    kind = "deep"

    def __init__(
        self,
        original_explainer: Any,
        initialization_examples: Any = None,
        serializer: Any = None,
        feature_maps: list[Any] | None = None,
        raw_features: Sequence[Any] | None = None,
        engineered_features: Sequence[Any] | None = None,
    ) -> None:
        super().__init__(original_explainer, initialization_examples, feature_maps, raw_features, engineered_features)


def scoring_explainer(
    explainer: Any,
    *,
    feature_maps: list[Any] | None = None,
    raw_features: Sequence[Any] | None = None,
    engineered_features: Sequence[Any] | None = None,
    initialization_examples: Any = None,
) -> ScoringExplainer:
    """The scoring explainer of any explainer.

    Parameters
    ----------
    explainer : explainer
        `TabularExplainer`, `MimicExplainer`, or one that explains by a method of its own.
    feature_maps : list of array or sparse matrix, optional
        From raw features to the explained columns, in order: (n_raw, n_1), (n_1, n_2), ...; for an explainer without
        transformations.
    raw_features, engineered_features : sequence of str, optional
        Names before and after transformations; default: those that the explainer knows.
    initialization_examples : array or table, optional
        Rows whose columns' types and ranges are noted; default: the explainer's own.

    Raises
    ------
    UnsupportedModelError
        It is no such explainer, or something of it cannot be kept as data.
    InitDatasetMissingException
        The explainer has transformations, and has seen no rows.
    ValueError
        Maps or names do not fit.
    """
    from fastexplain.scoring.build import parts_of

    parts = parts_of(explainer, feature_maps, raw_features, engineered_features, initialization_examples)
    return explainer_class(parts.method.kind)._of(parts)
