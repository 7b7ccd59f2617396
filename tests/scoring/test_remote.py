"""A model behind HTTP as predictor: KServe's protocols V1 and V2, and servers that answer otherwise."""

from __future__ import annotations

import json
import pickle
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import fastexplain
from fastexplain.exceptions import PredictionError
from fastexplain.scoring import load, save, scoring_explainer
from fastexplain.scoring.remote import RemotePredictor

ROWS = np.random.default_rng(0).normal(size=(9, 3))


def outputs(rows: Any) -> Any:
    return np.column_stack([rows[:, 0] - rows[:, 2], np.exp(rows[:, 1])])


def v1(content: Any) -> Any:
    return {"predictions": outputs(np.array(content["instances"])).tolist()}


def v2(content: Any) -> Any:
    (tensor,) = content["inputs"]
    assert tensor["datatype"] == "FP64"
    found = outputs(np.array(tensor["data"]).reshape(tensor["shape"]))
    tensor = {"name": "y", "shape": list(found.shape), "datatype": "FP64", "data": found.ravel().tolist()}
    return {"model_name": "m", "outputs": [tensor]}


class Handler(BaseHTTPRequestHandler):
    answers: dict[str, Callable[[Any], Any]]
    asked: list[Any]

    def do_POST(self) -> None:
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((self.path, self.headers.get("Authorization")))
        answer = self.answers[self.path](content)
        text = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(500 if text == b"broken" else 200)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Any]:
    handler = type("Handled", (Handler,), {"answers": {}, "asked": []})
    found = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=found.serve_forever, daemon=True)
    thread.start()
    yield handler, f"http://127.0.0.1:{found.server_port}"
    found.shutdown()
    found.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("path", "asked", "answer"),
    [
        ("/v1/models/m:predict", "/v1/models/m:predict", v1),
        ("/v1/models/m", "/v1/models/m:predict", v1),
        ("/here/v1/models/m/", "/here/v1/models/m:predict", v1),
        ("/v2/models/m/infer", "/v2/models/m/infer", v2),
        ("/v2/models/m", "/v2/models/m/infer", v2),
        ("/v2/models/m/versions/3", "/v2/models/m/versions/3/infer", v2),
    ],
)
def test_outputs(server: Any, monkeypatch: pytest.MonkeyPatch, path: str, asked: str, answer: Any) -> None:
    handler, host = server
    handler.answers[asked] = answer
    predictor = RemotePredictor(host + path, headers={"Authorization": "Bearer x"})
    assert_array_equal(predictor(ROWS), outputs(ROWS))
    assert handler.asked == [(asked, "Bearer x")]
    monkeypatch.setattr("fastexplain.scoring.remote._ROWS", 4)
    assert_array_equal(pickle.loads(pickle.dumps(predictor))(ROWS), outputs(ROWS))
    assert len(handler.asked) == 4
    assert predictor(ROWS[:0]).shape == (0,)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"broken", "answered with status 500: b'broken'"),
        (b"hello", "gave no JSON, but b'hello'"),
        ({"outputs": []}, "none of the protocol"),
        ({"predictions": "many"}, "none of the protocol"),
        ({"predictions": [[1.0, 2.0], [3.0]]}, "none of the protocol"),
        ({"predictions": [1.0, 2.0]}, r"outputs of shape \(2,\) for 9 rows"),
        ([], "none of the protocol"),
    ],
)
def test_answers_that_are_none(server: Any, answer: Any, message: str) -> None:
    handler, host = server
    handler.answers["/v1/models/m:predict"] = lambda _: answer
    with pytest.raises(PredictionError, match=message):
        RemotePredictor(f"{host}/v1/models/m")(ROWS)


def test_what_cannot_be_asked(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    handler, host = server
    with pytest.raises(PredictionError, match="Row 0 holds nan in column 2, which JSON cannot send"):
        RemotePredictor(f"{host}/v1/models/m")(np.array([[0.0, 1.0, np.nan]]))
    with pytest.raises(PredictionError, match="did not answer"):
        RemotePredictor("http://127.0.0.1:9/v1/models/m", timeout=2)(ROWS)
    handler.answers["/v1/models/m:predict"] = v1
    monkeypatch.setattr("fastexplain.scoring.remote._ANSWER_BYTES", 20)
    with pytest.raises(PredictionError, match="gave more than 20 bytes"):
        RemotePredictor(f"{host}/v1/models/m")(ROWS)
    for url in (
        "file:///etc/passwd",
        "http://host/other",
        "host/v1/models/m",
        "ftp://host/v1/models/m",
        "http:///v1/models/m",
    ):
        with pytest.raises(ValueError, match="expected a function of rows, or a URL"):
            RemotePredictor(url)


def test_a_black_box_behind_a_url(server: Any, tmp_path: Path) -> None:
    def model(rows: Any) -> Any:
        return np.where(rows[:, 0] > rows[:, 1], rows[:, 2], -1.0)

    handler, host = server
    path = "/v1/models/m:predict"
    handler.answers[path] = lambda content: {"predictions": model(np.array(content["instances"])).tolist()}
    scorer = scoring_explainer(fastexplain.KernelExplainer(model, ROWS, is_function=True))
    save(scorer, tmp_path / "a")
    loaded = load(tmp_path / "a", predictor=f"{host}/v1/models/m")
    expected = scorer.score(ROWS)
    scores = loaded.score(ROWS)
    assert_array_equal(scores.values, expected.values)
    assert_array_equal(scores.predictions, model(ROWS))
    handler.answers[path] = lambda content: {"predictions": [0.0] * len(content["instances"])}
    with pytest.raises(PredictionError, match="is not the model that was explained"):
        load(tmp_path / "a", predictor=f"{host}/v1/models/m")
