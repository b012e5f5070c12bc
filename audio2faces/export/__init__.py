"""Models as SavedModel, ONNX and LiteRT."""
