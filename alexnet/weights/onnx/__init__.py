"""ONNX: graphs written from a spec, strangers' graphs read, files run in ONNX Runtime."""
