"""`DecisionTreeExplainableModel`: a single decision tree as a surrogate."""

from __future__ import annotations

from typing import Any

from fastexplain.explainers.mimic.surrogates._base import RANDOM_STATE, SurrogateValues
from fastexplain.explainers.mimic.surrogates._trees import TreeSurrogate
from fastexplain.explainers.options import ShapValuesOutput
from fastexplain.rows.arrays import dense

__all__ = ["DecisionTreeExplainableModel"]


class DecisionTreeExplainableModel(TreeSurrogate):
    """A single decision tree: ``DecisionTreeClassifier`` for a multi-class teacher, else ``DecisionTreeRegressor``.

    Parameters
    ----------
    multiclass : bool, default False
    random_state : int, default 123
    shap_values_output : {"default", "probability", "teacher_probability"}
        As of `LGBMExplainableModel`. A multi-class tree's raw output is a probability already.
    classification : bool, default True
        Whether a surrogate that is not multi-class stands for a binary classifier.
    **kwargs
        Parameters of the scikit-learn class.
    """

    _method = "tree"

    def __init__(
        self,
        multiclass: bool = False,
        random_state: Any = RANDOM_STATE,
        shap_values_output: Any = ShapValuesOutput.DEFAULT,
        classification: bool = True,
        **kwargs: Any,
    ) -> None:
        from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

        estimator = (DecisionTreeClassifier if multiclass else DecisionTreeRegressor)(
            random_state=random_state, **kwargs
        )
        super().__init__(estimator, multiclass, random_state, classification, shap_values_output)

    def _raw_values(self, rows: Any) -> SurrogateValues:
        # dense values also of sparse rows, as interpret-community's
        return super()._raw_values(dense(rows))

    @property
    def _gives_probabilities(self) -> bool:
        return self.multiclass
