"""Export to ONNX, OpenVINO and TorchScript, and verification of the written files."""
