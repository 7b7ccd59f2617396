"""Reads directories of JSON files: interpret-community's, of every version, and those of `json_directory`."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.explanation.explanation import Explanation
from fastexplain.explanation.files.json_directory import (
    DATA,
    ELSEWHERE,
    METADATA_FILE,
    OWN_FILE,
    OWN_VERSION,
    PROPERTIES,
    SERIALIZATION_VERSION,
    is_sealed,
)
from fastexplain.explanation.files.json_values import decoded
from fastexplain.explanation.files.record import Record, put_together
from fastexplain.rows.kinds import is_sparse

__all__ = ["read_directory"]


def read_directory(path: Path) -> Explanation:
    """Read a directory of JSON files; see `fastexplain.load_explanation`."""
    try:
        files = _Files(path)
        metadata, own = files.metadata(), files.own()
        is_ours = own.get("explanation_id") == metadata.get("explanation_id")
        # other facts are left behind by an explanation that interpret-community has overwritten
        explanation = put_together(_Reader(files, metadata, own if is_ours else {}).record())
        # last, as what is wrong with a value says more than that it has changed
        files.check(own.get("checksums", {}), is_ours=is_ours)
        return explanation
    except ImportError:
        raise  # of a library whose data frame the directory holds
    except Exception as error:  # what Python raises where lists and numbers are not what they should be is of any class
        if isinstance(error, ValueError) and str(path) in str(error):
            raise
        raise ValueError(f"{path}: the files contradict each other: {type(error).__name__}: {error}") from error


class _Files:
    """The files of a directory; whatever is wrong with one is told with its name."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def error(self, name: str, problem: str) -> ValueError:
        return ValueError(f"{self.path / name}: {problem}")

    def has(self, name: str) -> bool:
        return (self.path / f"{name}.json").is_file()

    def json(self, name: str) -> Any:
        try:
            return json.loads((self.path / name).read_bytes())
        except UnicodeDecodeError as error:
            raise self.error(name, f"not a text file: {error}") from error
        except (ValueError, RecursionError) as error:  # also integers of more than 4,300 digits
            raise self.error(name, f"not valid JSON: {error}") from error

    def check(self, checksums: Any, *, is_ours: bool) -> None:
        """Raise ValueError where files have changed since we wrote them.

        Parameters
        ----------
        checksums : dict
            Of each file; empty in directories of older versions.
        is_ours : bool
            Whether the metadata are of the explanation that these were written for.
        """
        if not isinstance(checksums, dict):
            raise self.error(OWN_FILE, f"expected an object for 'checksums'; got {_shown(checksums)}")
        changed = [name for name, crc in checksums.items() if zlib.crc32(self._bytes(name)) != crc]
        if changed and (is_ours or changed == [METADATA_FILE]):
            raise self.error(
                changed[0],
                "has changed since it was written (it differs from its checksum). Take it from a backup, or save "
                f"it again; if it was edited on purpose, remove {OWN_FILE} to have it read as interpret-community's.",
            )

    def _bytes(self, name: str) -> bytes:
        path = self.path / name
        return path.read_bytes() if path.is_file() else b""

    def metadata(self) -> dict[str, Any]:
        if not (self.path / METADATA_FILE).is_file():
            if any(map(self.has, PROPERTIES)):
                raise self.error(METADATA_FILE, "is missing: it was removed, or saving did not come to its end.")
            raise ValueError(f"{self.path} holds no explanation: there is no {METADATA_FILE} in it.")
        metadata = self.json(METADATA_FILE)
        if not isinstance(metadata, dict):
            raise self.error(METADATA_FILE, f"expected an object of names and values; got {_shown(metadata)}")
        version = metadata.get("serialization_version", SERIALIZATION_VERSION)
        if version != SERIALIZATION_VERSION:
            raise self.error(
                METADATA_FILE, f"serialization_version is {version!r}; this version reads {SERIALIZATION_VERSION}."
            )
        return metadata

    def own(self) -> dict[str, Any]:
        if not (self.path / OWN_FILE).is_file():
            return {}
        if is_sealed((self.path / OWN_FILE).read_bytes()) is False:
            raise self.error(OWN_FILE, "has changed since it was written: it differs from its checksum.")
        own = self.json(OWN_FILE)
        if not isinstance(own, dict) or not isinstance(own.get("format_version"), int):
            raise self.error(OWN_FILE, f"expected an object with a format_version; got {_shown(own)}")
        if own["format_version"] > OWN_VERSION:
            raise self.error(
                OWN_FILE,
                f"format_version is {own['format_version']}; this fastexplain reads up to {OWN_VERSION}. "
                "Please upgrade: pip install -U fastexplain",
            )
        for key in ("facts", "data"):
            if not isinstance(own.get(key, {}), dict):
                raise self.error(OWN_FILE, f"expected an object for {key!r}; got {_shown(own[key])}")
        return own

    def value(self, name: str, description: dict[str, Any] | None = None) -> Any:
        """What a property's file holds, None if there is no file.

        Sparse matrices, arrays of numbers or of objects, data frames, or the id of a data set.
        """
        if not self.has(name):
            return None
        file = f"{name}.json"
        content = self.json(file)
        if not isinstance(content, dict) or not {"metadata", "data"} <= content.keys():
            raise self.error(file, f'expected {{"metadata": ..., "data": ...}}; got {_shown(content)}')
        try:
            return decoded(content["metadata"], content["data"], description)
        except ImportError:
            raise
        except Exception as error:  # of any class, as the description tells how to read the data
            raise self.error(file, str(error)) from error

    def names(self, name: str) -> list[Any] | None:
        """A list of names; None if there is no file."""
        value = self.value(name)
        if value is not None and not (isinstance(value, np.ndarray) and value.ndim):
            raise self.error(f"{name}.json", f"expected a list of names; got {_shown(value)}")
        return None if value is None else value.tolist()


class _Reader:
    """Turns class-first lists back into the arrays that explanations hold."""

    def __init__(self, files: _Files, metadata: dict[str, Any], own: dict[str, Any]) -> None:
        self.files, self.metadata, self.own = files, metadata, own
        kind = metadata.get("model_type") or metadata.get("model_task")
        if kind is None:
            kind = "classification" if files.has("classes") or files.has("per_class_values") else "regression"
        self.is_classifier = kind == "classification"

    def record(self) -> Record:
        local = self._local() if self._expects("local", "local_importance_values") else None
        importances = per_class = None
        if self._expects("global", "global_importance_values"):
            importances, per_class = self._numbers("global_importance_values", 1), self._per_class()
        base = self._expected_values()
        outputs = self._outputs(local, base, per_class)
        record = Record(self._facts(), single_row=self._is_single_row(local))
        if self.is_classifier:
            self._check_classes(record.facts["classes"], local, per_class)
        if local is not None:
            record.values = self._values(local, outputs, record.single_row)
        record.base_values = self._base_values(base, outputs)
        if importances is not None:
            record.importances = self._importances(importances, per_class, outputs)
            record.global_importances = self._global_importances(importances, record.importances)
        self._check_widths(record, importances)
        if record.importances is not None and record.importances.ndim == 1 and record.values is None:
            record.facts["n_classes"] = self._n_classes(record.facts["classes"]) if self.is_classifier else None
        record.importance_errors, record.repeats = self._own_array("importance_errors"), self._own_array("repeats")
        record.standard_errors = self.files.value("standard_errors") if self.own else None
        descriptions = self.own.get("data", {})
        data = [self.files.value(name, descriptions.get(name)) for name in DATA]
        record.init_data, record.eval_data, record.predictions = data[0], data[1], (data[2], data[3])
        return record

    def _expects(self, scope: str, name: str) -> bool:
        if self.metadata.get(scope) and not self.files.has(name):
            raise self.files.error(f"{name}.json", f"is missing, though {METADATA_FILE} says {scope!r}: true.")
        # also where the metadata deny it: interpret-community's do when it saves what it has loaded
        return self.files.has(name)

    def _facts(self) -> dict[str, Any]:
        metadata = self.metadata
        features, classes = self.files.names("features"), self.files.names("classes")
        facts = {
            **{key: value for key, value in self.own.get("facts", {}).items() if key not in ELSEWHERE},
            "features": features,
            "classes": classes if self.is_classifier else None,
            "model_task": "classification" if self.is_classifier else "regression",
            "model_type": metadata.get("model_class"),
            "method": metadata.get("method") or "unknown",
            "is_raw": bool(metadata.get("is_raw", False)),
            "is_engineered": bool(metadata.get("is_engineered", False)),
            "id": metadata.get("explanation_id"),
        }
        return facts

    def _numbers(self, name: str, *dimensions: int) -> NDArray[np.float64]:
        """An array of numbers with one of the given numbers of dimensions."""
        value = self.files.value(name)
        file = f"{name}.json"
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
            raise self.files.error(file, f"expected lists of numbers; got {_shown(value)}")
        if value.ndim not in dimensions:
            raise self.files.error(file, f"has shape {value.shape}; expected {' or '.join(map(str, dimensions))} axes.")
        return value.astype(np.float64)

    def _local(self) -> Any:
        """Class-first array, or csr matrices as a list."""
        name = "local_importance_values"
        value = self.files.value(name)
        if isinstance(value, list):
            return value
        if is_sparse(value):
            return [value]
        if isinstance(value, np.ndarray) and value.size == 0 and value.ndim < 2:  # rows x features without rows
            return np.empty((0, self.metadata.get("num_features", 0)))
        return self._numbers(name, 1, 2, 3)

    def _is_single_row(self, local: Any) -> bool:
        if local is None or isinstance(local, list):
            return False
        if "single_row" in self.own:
            return bool(self.own["single_row"])
        return bool(local.ndim == (2 if self.is_classifier else 1))

    def _per_class(self) -> NDArray[np.float64] | None:
        has_it = self.is_classifier and self.files.has("per_class_values")
        return self._numbers("per_class_values", 2) if has_it else None

    def _expected_values(self) -> NDArray[np.float64] | None:
        if not self.files.has("expected_values"):
            return None
        # a list for each class in files of some surrogates
        return self._numbers("expected_values", 0, 1, 2).ravel()

    def _outputs(self, local: Any, base: NDArray[np.float64] | None, per_class: NDArray[np.float64] | None) -> int:
        """Outputs of the model: 1 where it is the margin that stands for both of two classes, 0 if that is unknown."""
        if "n_outputs" in self.own:
            return int(self.own["n_outputs"])
        n_classes = 0
        if isinstance(local, list):
            n_classes = len(local)
        elif local is not None:
            n_classes = len(local) if self.is_classifier or local.ndim == 3 else 1
        elif per_class is not None:
            n_classes = len(per_class)
        elif not self.is_classifier:
            n_classes = 1 if base is None else len(base)
        if n_classes != 2 or not self.is_classifier:
            return n_classes
        one_margin = base is None or len(base) == 1 or bool(base[0] == -base[1])
        if local is not None:
            one_margin = one_margin and _opposite(local[0], local[1])
        elif base is None or len(base) != 1:
            one_margin = False
        if per_class is not None:
            one_margin = one_margin and np.array_equal(per_class[0], per_class[1], equal_nan=True)
        return 1 if one_margin else 2

    def _values(self, local: Any, outputs: int, single_row: bool) -> Any:
        one_margin = self.is_classifier and outputs == 1 and len(local) == 2
        if isinstance(local, list):
            matrices = local[1:] if one_margin else local
            stored = self.own.get("n_stored", [None] * len(matrices))
            return [type(m)(m.shape) if n == 0 else m for m, n in zip(matrices, stored, strict=True)]
        class_first = local if self.is_classifier or outputs > 1 else local[np.newaxis]
        if single_row:
            class_first = class_first[:, np.newaxis]
        if class_first.ndim != 3:
            raise self.files.error(
                "local_importance_values.json",
                f"has {local.ndim} axes; a {self._task()} has "
                f"{'classes, rows and features' if self.is_classifier else 'rows and features'}.",
            )
        if one_margin:
            class_first = class_first[1:]
        values = np.ascontiguousarray(np.moveaxis(class_first, 0, -1))
        return values.astype(self.own["dtype"]) if self.own.get("dtype") else values

    def _task(self) -> str:
        return "classification" if self.is_classifier else "regression"

    def _base_values(self, base: NDArray[np.float64] | None, outputs: int) -> NDArray[np.float64] | None:
        given = self._own_array("base_values")
        if given is not None:
            return given
        if base is None or outputs in (0, len(base)):
            return base
        if outputs == 1 and self.is_classifier and len(base) == 2:
            return base[1:]
        if len(base) == 1:  # of sparse rows and several classes, interpret-community wrote that of the first only
            return np.append(base, np.full(outputs - 1, np.nan))
        raise self.files.error(
            "expected_values.json", f"holds {len(base)} numbers; the importance values have {outputs} outputs."
        )

    def _importances(
        self, importances: NDArray[np.float64], per_class: NDArray[np.float64] | None, outputs: int
    ) -> NDArray[np.float64]:
        given = self._own_array("importances")
        if given is not None:
            return given
        if per_class is None:
            has_base = self.files.has("expected_values") and not self.is_classifier and outputs == 1
            return importances[np.newaxis] if has_base else importances
        if per_class.shape[1] != len(importances):
            raise self.files.error(
                "per_class_values.json",
                f"has {per_class.shape[1]} features; global_importance_values.json has {len(importances)}.",
            )
        return per_class[1:] if outputs == 1 and len(per_class) == 2 else per_class

    def _global_importances(
        self, importances: NDArray[np.float64], by_output: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        """The importances over all outputs, where they are not the mean of those of each output."""
        if "global_importances" in self.own:
            return self._own_array("global_importances")
        of_outputs = by_output if by_output.ndim == 1 else by_output.mean(axis=0)
        return None if np.array_equal(of_outputs, importances, equal_nan=True) else importances

    def _own_array(self, name: str) -> NDArray[np.float64] | None:
        given = self.own.get(name)
        return None if given is None else np.array(given, dtype=np.float64)

    def _n_classes(self, classes: list[Any] | None) -> int | None:
        told: int | None = self.metadata.get("num_classes")
        return len(classes) if told is None and classes is not None else told

    def _check_classes(self, *of_classes: Any) -> None:
        """Raise ValueError where files disagree about the number of classes."""
        names = ("classes.json", "local_importance_values.json", "per_class_values.json")
        told = {name: len(given) for name, given in zip(names, of_classes, strict=True) if given is not None}
        n_classes = self.metadata.get("num_classes")
        if isinstance(n_classes, int) and n_classes > 1:  # interpret-community writes 1 where it does not know
            told[METADATA_FILE] = n_classes
        self._check_agreement("classes", told)

    def _check_widths(self, record: Record, importances: NDArray[np.float64] | None) -> None:
        """Raise ValueError where files disagree about the number of features."""
        features: dict[str, int] = {}
        if record.facts["features"] is not None:
            features["features.json"] = len(record.facts["features"])
        if record.values is not None:
            first = record.values[0] if record.is_sparse else record.values
            features["local_importance_values.json"] = first.shape[1]
        if importances is not None:
            features["global_importance_values.json"] = len(importances)
        if self.metadata.get("num_features") is not None:
            features[METADATA_FILE] = self.metadata["num_features"]
        self._check_agreement("features", features)

    def _check_agreement(self, things: str, told: dict[str, int]) -> None:
        if len(set(told.values())) > 1:
            by_file = ", ".join(f"{n} in {name}" for name, n in told.items())
            raise ValueError(f"{self.files.path}: the files disagree about the number of {things}: {by_file}.")


def _opposite(first: Any, second: Any) -> bool:
    """Whether one class's values are exactly the negatives of the other's."""
    if is_sparse(first):
        same_places = np.array_equal(first.indptr, second.indptr) and np.array_equal(first.indices, second.indices)
        return same_places and np.array_equal(first.data, -second.data, equal_nan=True)
    return np.array_equal(first, -second, equal_nan=True)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
