"""interpret-community's constants: the same classes, members and values."""

from __future__ import annotations

from typing import ClassVar

from fastexplain.explainers.options import ExplainableModelType, ModelTask, ResetIndex, ShapValuesOutput

__all__ = [
    "Attributes",
    "DNNFramework",
    "Defaults",
    "Dynamic",
    "ExplainParams",
    "ExplainType",
    "ExplainableModelType",
    "ExplanationParams",
    "Extension",
    "InterpretData",
    "LightGBMParams",
    "LightGBMSerializationConstants",
    "MimicSerializationConstants",
    "ModelTask",
    "ResetIndex",
    "SHAPDefaults",
    "SKLearn",
    "Scipy",
    "ShapValuesOutput",
    "Spacy",
    "Tensorflow",
]


class ExplanationParams:
    """Members of explanations."""

    EXPECTED_VALUES = "expected_values"
    CLASSES = "classes"


class ExplainType:
    """Kinds of explanations, their methods, and keys of their metadata."""

    CLASSIFICATION = "classification"
    DATA = "data_type"
    EXPLAIN = "explain_type"
    EXPLAINER = "explainer"
    FUNCTION = "function"
    GLOBAL = "global"
    HAN = "han"
    IS_ENG = "is_engineered"
    IS_RAW = "is_raw"
    LIME = "lime"
    LOCAL = "local"
    METHOD = "method"
    MIMIC = "mimic"
    MODEL = "model_type"
    MODEL_CLASS = "model_class"
    MODEL_TASK = "model_task"
    PFI = "pfi"
    REGRESSION = "regression"
    SHAP = "shap"
    SHAP_DEEP = "shap_deep"
    SHAP_KERNEL = "shap_kernel"
    SHAP_TREE = "shap_tree"
    SHAP_LINEAR = "shap_linear"
    TABULAR = "tabular"
    SHAP_GPU_KERNEL = "shap_gpu_kernel"


class ExplainParams:
    """Names of an explanation's parts, and of arguments."""

    BATCH_SIZE = "batch_size"
    CHECK_ADDITIVITY = "check_additivity"
    CLASSES = "classes"
    CLASSIFICATION = "classification"
    EVAL_DATA = "eval_data"
    EVAL_Y_PRED = "eval_y_predicted"
    EVAL_Y_PRED_PROBA = "eval_y_predicted_proba"
    EXPECTED_VALUES = "expected_values"
    EXPLAIN_SUBSET = "explain_subset"
    EXPLANATION_ID = "explanation_id"
    FEATURES = "features"
    GLOBAL_IMPORTANCE_NAMES = "global_importance_names"
    GLOBAL_IMPORTANCE_VALUES = "global_importance_values"
    GLOBAL_IMPORTANCE_RANK = "global_importance_rank"
    GLOBAL_NAMES = "global_names"
    GLOBAL_VALUES = "global_values"
    GLOBAL_RANK = "global_rank"
    ID = "id"
    INCLUDE_LOCAL = "include_local"
    INIT_DATA = "init_data"
    IS_ENG = "is_engineered"
    IS_LOCAL_SPARSE = "is_local_sparse"
    IS_RAW = "is_raw"
    LOCAL_EXPLANATION = "local_explanation"
    LOCAL_IMPORTANCE_VALUES = "local_importance_values"
    METHOD = "method"
    MODEL_ID = "model_id"
    MODEL_TASK = "model_task"
    MODEL_TYPE = "model_type"
    NUM_CLASSES = "num_classes"
    NUM_EXAMPLES = "num_examples"
    NUM_FEATURES = "num_features"
    PER_CLASS_NAMES = "per_class_names"
    PER_CLASS_RANK = "per_class_rank"
    PER_CLASS_VALUES = "per_class_values"
    PROBABILITIES = "probabilities"
    SAMPLING_POLICY = "sampling_policy"
    SHAP_VALUES_OUTPUT = "shap_values_output"

    @classmethod
    def get_serializable(cls) -> set[str]:
        """Names of the members that a saved explanation may hold, such as ``"GLOBAL_IMPORTANCE_VALUES"``."""
        return {name for name, value in vars(cls).items() if isinstance(value, str) and not name.startswith("__")}

    @classmethod
    def get_private(cls, explain_param: str) -> str:
        """Name of the private attribute behind a parameter: with an underscore before it."""
        return f"_{explain_param}"


class Defaults:
    """Defaults of arguments."""

    AUTO = "auto"
    DEFAULT_BATCH_SIZE = 100
    HDBSCAN = "hdbscan"
    MAX_DIM = 50


class Attributes:
    """Attributes of shap's explainers."""

    EXPECTED_VALUE = "expected_value"


class Dynamic:
    """Names of interpret-community's run-time classes."""

    GLOBAL_EXPLANATION = "DynamicGlobalExplanation"
    LOCAL_EXPLANATION = "DynamicLocalExplanation"


class Tensorflow:
    """TensorFlow."""

    CPU0 = "/CPU:0"
    TFLOG = "tflog"


class SKLearn:
    """scikit-learn."""

    EXAMPLES = "examples"
    LABELS = "labels"
    PREDICTIONS = "predictions"
    PREDICT_PROBA = "predict_proba"


class Spacy:
    """spaCy."""

    EN = "en"
    NER = "ner"
    TAGGER = "tagger"


class Scipy:
    """SciPy."""

    CSR_FORMAT = "csr"


class LightGBMParams:
    """Arguments of LightGBM."""

    CATEGORICAL_FEATURE = "categorical_feature"
    MIN_DATA_IN_LEAF = "min_data_in_leaf"


class MimicSerializationConstants:
    """What a saved `MimicExplainer` holds."""

    FUNCTION = "function"
    IDENTITY = "_identity"
    INITIALIZATION_EXAMPLES = "initialization_examples"
    LOGGER = "_logger"
    MODEL = "model"
    ORIGINAL_EVAL_EXAMPLES = "_original_eval_examples"
    PREDICT_PROBA_FLAG = "predict_proba_flag"
    TIMESTAMP_FEATURIZER = "_timestamp_featurizer"
    RESET_INDEX = "reset_index"
    ALLOW_ALL_TRANSFORMATIONS = "_allow_all_transformations"
    enum_properties: ClassVar[list[str]] = ["_shap_values_output"]
    nonify_properties: ClassVar[list[str]] = [
        "_logger",
        "model",
        "function",
        "initialization_examples",
        "_original_eval_examples",
        "_timestamp_featurizer",
    ]
    save_properties: ClassVar[list[str]] = ["surrogate_model"]


class LightGBMSerializationConstants:
    """What a saved LightGBM surrogate holds."""

    IDENTITY = "_identity"
    LOGGER = "_logger"
    MODEL_STR = "model_str"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"
    TREE_EXPLAINER = "_tree_explainer"
    OBJECTIVE = "objective"
    enum_properties: ClassVar[list[str]] = ["_shap_values_output"]
    nonify_properties: ClassVar[list[str]] = ["_logger", "_tree_explainer"]
    save_properties: ClassVar[list[str]] = ["_lgbm"]


class DNNFramework:
    """Libraries of networks."""

    TENSORFLOW = "tensorflow"
    PYTORCH = "pytorch"


class InterpretData:
    """Keys of ``explanation.data(key)``."""

    BASE_VALUE = "Base Value"
    EXPLANATION_TYPE = "explanation_type"
    EXTRA = "extra"
    FEATURE_LIST = "feature_list"
    GLOBAL_FEATURE_IMPORTANCE = "global_feature_importance"
    INTERCEPT = "intercept"
    LOCAL_FEATURE_IMPORTANCE = "local_feature_importance"
    MLI = "mli"
    NAMES = "names"
    OVERALL = "overall"
    PERF = "perf"
    SCORES = "scores"
    SPECIFIC = "specific"
    TYPE = "type"
    UNIVARIATE = "univariate"
    VALUE = "value"
    VALUES = "values"
    EXPLANATION_CLASS_DIMENSION = "explanation_class_dimension"
    MULTICLASS = "multiclass"
    SINGLE = "single"


class Extension:
    """Kinds of explainers and explanations, for interpret-core."""

    BLACKBOX = "blackbox"
    GLASSBOX = "model"
    GLOBAL = "global"
    GREYBOX = "specific"
    LOCAL = "local"


class SHAPDefaults:
    """Defaults of shap."""

    INDEPENDENT = "independent"
