"""`LGBMExplainableModel`: a LightGBM surrogate."""

from __future__ import annotations

import json
from typing import Any

from fastexplain._optional import optional
from fastexplain.explainers.mimic.surrogates._base import RANDOM_STATE
from fastexplain.explainers.mimic.surrogates._trees import TreeSurrogate
from fastexplain.explainers.options import ShapValuesOutput

__all__ = ["LGBMExplainableModel"]

# Names that LightGBM knows the log level by.
_VERBOSITY = ("verbose", "verbosity")


class LGBMExplainableModel(TreeSurrogate):
    """A LightGBM surrogate: ``LGBMClassifier`` for a multi-class teacher, else ``LGBMRegressor``.

    Sparse rows stay sparse. Columns named in ``categorical_feature`` are split by category.

    Parameters
    ----------
    multiclass : bool, default False
    random_state : int, default 123
    shap_values_output : {"default", "probability", "teacher_probability"}
        What local values add up to: the raw output (log-odds of a classifier), or, approximately scaled, the
        surrogate's own probability or the one given to `explain_local`.
    classification : bool, default True
        Whether a surrogate that is not multi-class stands for a binary classifier.
    **kwargs
        Parameters of the LightGBM class. LightGBM is quiet unless ``verbose`` says otherwise.

    Raises
    ------
    MissingDependencyError
        LightGBM is not installed.
    """

    _method = "lightgbm"

    def __init__(
        self,
        multiclass: bool = False,
        random_state: Any = RANDOM_STATE,
        shap_values_output: Any = ShapValuesOutput.DEFAULT,
        classification: bool = True,
        **kwargs: Any,
    ) -> None:
        lightgbm = optional("lightgbm", "lightgbm", "LGBMExplainableModel")
        if not any(name in kwargs for name in _VERBOSITY):
            kwargs["verbosity"] = -1
        self._categorical = kwargs.pop("categorical_feature", "auto")  # fit takes it without a warning
        make = lightgbm.LGBMClassifier if multiclass else lightgbm.LGBMRegressor
        estimator = make(random_state=random_state, **kwargs)
        super().__init__(estimator, multiclass, random_state, classification, shap_values_output)

    def fit(self, dataset: Any, labels: Any, **kwargs: Any) -> Any:
        """Train on rows (n_rows, n_features) and labels (n_rows,); keyword arguments are those of LightGBM's fit."""
        return super().fit(dataset, labels, **{"categorical_feature": self._categorical, **kwargs})

    def _save(self) -> dict[str, str | int | None]:
        """The fitted surrogate as strings, by interpret-community's keys; the booster is LightGBM's model text."""
        saved: dict[str, str | int | None] = {
            "multiclass": json.dumps(self.multiclass),
            "_lgbm": self._estimator.booster_.model_to_string(),
            "_logger": None,
            "_identity": json.dumps(type(self).__name__),
            "_method": json.dumps(self._method),
            "_tree_explainer": None,
            "_shap_values_output": json.dumps(str(self._shap_values_output)),
            "_classification": json.dumps(self._classification),
            "_n_features": int(self._estimator.n_features_),
            "fitted_": json.dumps(True),
        }
        if self.multiclass:
            saved["_n_classes"] = int(self._estimator.n_classes_)
        return saved

    @staticmethod
    def _load(properties: dict[str, Any]) -> LGBMExplainableModel:
        """The surrogate that `_save`, or interpret-community's, has written."""
        lightgbm = optional("lightgbm", "lightgbm", "LGBMExplainableModel")
        loaded = LGBMExplainableModel(
            multiclass=json.loads(properties["multiclass"]),
            shap_values_output=json.loads(properties["_shap_values_output"]),
            classification=json.loads(properties.get("_classification", "true")),
        )
        estimator = loaded._estimator
        estimator._Booster = lightgbm.Booster(model_str=properties["_lgbm"])
        estimator._n_features = estimator._n_features_in = int(properties["_n_features"])
        estimator.fitted_ = True
        if loaded.multiclass:
            estimator._n_classes = int(properties["_n_classes"])
            estimator._classes, estimator._le = _labels(estimator._n_classes)
        return loaded


def _labels(n_classes: int) -> tuple[Any, Any]:
    """Classes 0..n_classes - 1 of a loaded classifier, as LightGBM keeps them."""
    import numpy as np
    from sklearn.preprocessing import LabelEncoder

    encoder = LabelEncoder().fit(np.arange(n_classes))
    return encoder.classes_, encoder
