"""A model behind HTTP, asked by KServe's protocols: the predictor of a black box whose artifact holds no model.

V1: ``POST .../v1/models/NAME:predict`` with ``{"instances": rows}``, answered by ``{"predictions": outputs}``.
V2 (Open Inference Protocol): ``POST .../v2/models/NAME/infer`` with one FP64 tensor, answered by ``outputs``, of which
the first counts.
"""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.exceptions import PredictionError

__all__ = ["RemotePredictor"]

_V1 = re.compile(r".*/v1/models/[^/:]+(:predict)?/?")
_V2 = re.compile(r".*/v2/models/[^/]+(/versions/[^/]+)?(/infer)?/?")
# Rows of one request, and bytes that an answer may have for each of its outputs.
_ROWS = 4096
_ANSWER_BYTES = 64 * 2**20


class RemotePredictor:
    """Rows -> outputs of a model behind a URL. Can be pickled, and used from several threads.

    Parameters
    ----------
    url : str
        ``http`` or ``https``, of a model: ``https://host/v1/models/credit:predict`` or ``https://host/v2/models/credit/infer``;
        the last part may be left out.
    timeout : float, default 30
        Seconds that a request may take.
    headers : dict, optional
        Sent along, such as an authorisation.

    Raises
    ------
    ValueError
        The URL names no model of either protocol.
    """

    def __init__(self, url: str, timeout: float = 30.0, headers: dict[str, str] | None = None) -> None:
        parts = urllib.parse.urlsplit(url)
        is_v1, is_v2 = _V1.fullmatch(parts.path) is not None, _V2.fullmatch(parts.path) is not None
        if parts.scheme not in ("http", "https") or not parts.netloc or not (is_v1 or is_v2):
            raise ValueError(
                f"predictor is {url!r}; expected a function of rows, or a URL such as "
                "http://host/v1/models/NAME:predict or http://host/v2/models/NAME/infer."
            )
        path = parts.path.rstrip("/")
        ending = ":predict" if is_v1 else "/infer"
        self.url = urllib.parse.urlunsplit(parts._replace(path=path if path.endswith(ending) else path + ending))
        self.timeout, self.headers, self._v1 = timeout, dict(headers or {}), is_v1

    def __call__(self, rows: Any) -> NDArray[np.float64]:
        """Outputs of rows, (n_rows,) or (n_rows, n_outputs).

        Raises
        ------
        PredictionError
            There is no answer, or it is none of the protocol, or not one output for each row.
        """
        matrix = np.asarray(rows, dtype=np.float64)
        if not np.isfinite(matrix).all():
            row, column = np.argwhere(~np.isfinite(matrix))[0].tolist()
            raise PredictionError(
                f"Row {row} holds {matrix[row, column]} in column {column}, which JSON cannot send to {self.url}; fill "
                "missing values before."
            )
        parts = [self._outputs(matrix[start : start + _ROWS]) for start in range(0, len(matrix), _ROWS)]
        return np.concatenate(parts) if parts else np.empty(0)

    def _outputs(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        answer = self._asked(self._request(rows))
        try:
            outputs = self._read(answer)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise self._error(
                f"gave an answer that is none of the protocol ({type(error).__name__}: {error})"
            ) from error
        if outputs.ndim not in (1, 2) or len(outputs) != len(rows):
            raise self._error(f"gave outputs of shape {outputs.shape} for {len(rows)} rows")
        return outputs

    def _request(self, rows: NDArray[np.float64]) -> dict[str, Any]:
        if self._v1:
            return {"instances": rows.tolist()}
        tensor = {"name": "rows", "shape": list(rows.shape), "datatype": "FP64", "data": rows.ravel().tolist()}
        return {"inputs": [tensor]}

    def _read(self, answer: Any) -> NDArray[np.float64]:
        if self._v1:
            return np.asarray(answer["predictions"], dtype=np.float64)
        first = answer["outputs"][0]
        return np.asarray(first["data"], dtype=np.float64).reshape(first["shape"])

    def _asked(self, content: dict[str, Any]) -> Any:
        headers = {"Content-Type": "application/json", **self.headers}
        request = urllib.request.Request(self.url, json.dumps(content).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as response:
                text = response.read(_ANSWER_BYTES + 1)
        except urllib.error.HTTPError as error:
            raise self._error(f"answered with status {error.code}: {error.read(500)!r}") from error
        except OSError as error:  # also that nothing listens, and that it took too long
            raise self._error(f"did not answer ({getattr(error, 'reason', None) or error})") from error
        if len(text) > _ANSWER_BYTES:
            raise self._error(f"gave more than {_ANSWER_BYTES} bytes for {_ROWS} rows")
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise self._error(f"gave no JSON, but {text[:100]!r}") from error

    def _error(self, problem: str) -> PredictionError:
        return PredictionError(f"The model at {self.url} {problem}.")
