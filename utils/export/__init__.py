"""Export to ONNX, OpenVINO and TorchScript, and verifying what was written."""
