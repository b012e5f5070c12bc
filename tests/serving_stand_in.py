"""A SavedModel behind the REST and gRPC interfaces of TensorFlow Serving, on loopback, with TensorFlow alone.

What of them clients of this project use: predict in row and column form, and PredictionService.Predict.
"""

import contextlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import tensorflow as tf

NAME = "face"


class Served:
    """The signatures of a SavedModel, by which each request goes through together with a longer one, as in a batch.

    Args:
        folder: of a version.
        padding: samples by which the other one is longer.
    """

    def __init__(self, folder, padding=0):
        self.signatures, self.padding = tf.saved_model.load(str(folder)).signatures, padding

    def __call__(self, signature, inputs):
        """Arrays, or what makes one, by name -> arrays by name."""
        function = self.signatures[signature]
        specs = function.structured_input_signature[1]
        if set(inputs) != set(specs):
            raise ValueError(f"inputs are {sorted(specs)}, not {sorted(inputs)}")
        inputs = {name: tf.constant(inputs[name], specs[name].dtype) for name in specs}
        if not self.padding or "samples" not in inputs:
            return {name: value.numpy() for name, value in function(**inputs).items()}
        longer = tf.shape(inputs["samples"])[1] + self.padding
        inputs["samples"] = tf.pad(inputs["samples"], [[0, 1], [0, self.padding]])
        for name in set(inputs) - {"samples"}:
            other = longer if name == "lengths" else tf.zeros((), inputs[name].dtype)
            inputs[name] = tf.concat([inputs[name], other[None]], 0)
        return {name: value.numpy()[:-1] for name, value in function(**inputs).items()}

    def rest(self, request):
        """The answer to a predict request: row form with `instances`, column form with `inputs`."""
        signature = request.get("signature_name", "serving_default")
        names = list(self.signatures[signature].structured_input_signature[1])
        if ("instances" in request) == ("inputs" in request):
            raise ValueError("give either instances or inputs")
        if "inputs" in request:
            inputs = request["inputs"] if isinstance(request["inputs"], dict) else {names[0]: request["inputs"]}
            outputs = {name: value.tolist() for name, value in self(signature, inputs).items()}
            return {"outputs": outputs if len(outputs) > 1 else next(iter(outputs.values()))}
        rows = [row if isinstance(row, dict) else {names[0]: row} for row in request["instances"]]
        outputs = self(signature, {name: [row[name] for row in rows] for name in rows[0]})
        if {len(value) for value in outputs.values()} != {len(rows)}:
            raise ValueError("row form: every output needs as many rows as there are instances")
        if len(outputs) == 1:
            return {"predictions": next(iter(outputs.values())).tolist()}
        return {"predictions": [{name: value[i].tolist() for name, value in outputs.items()} for i in range(len(rows))]}


@contextlib.contextmanager
def rest_server(served):
    """Serves on a free port; gives the address of predict requests."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                if not re.fullmatch(rf"/v1/models/{NAME}(/versions/\d+)?:predict", self.path):
                    raise ValueError(f"Malformed request: POST {self.path}")
                status, answer = 200, served.rest(json.loads(body))
            except (ValueError, KeyError, TypeError) as error:
                status, answer = 400, {"error": str(error)}
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/models/{NAME}:predict"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def grpc_server(served):
    """Serves on a free port; gives its address."""
    from concurrent import futures

    import grpc
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):
            if request.model_spec.name != NAME:
                context.abort(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {request.model_spec.name}")
            inputs = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
            outputs = served(request.model_spec.signature_name or "serving_default", inputs)
            answer = predict_pb2.PredictResponse(model_spec=request.model_spec)
            for name, value in outputs.items():
                answer.outputs[name].CopyFrom(tf.make_tensor_proto(np.asarray(value)))
            return answer

    server = grpc.server(futures.ThreadPoolExecutor(2))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
