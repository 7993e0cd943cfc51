"""OpenCV 4 reads Darknet files, OpenCV 5 no longer does: run it on one file and one input.

python run_opencv4.py CFG WEIGHTS INPUT.npy OUTPUT.npz: INPUT is float32 [1, 3, H, W]; OUTPUT gets what the
convolution before each `yolo` layer gives, in the order of the cfg.
"""

import sys

import cv2
import numpy as np


def main(cfg, weights, given, output):
    assert cv2.__version__.startswith("4."), cv2.__version__
    net = cv2.dnn.readNetFromDarknet(cfg, weights)
    names = [f"conv_{int(name.removeprefix('yolo_')) - 1}" for name in net.getLayerNames() if "yolo" in name]
    net.setInput(np.load(given))
    np.savez(output, *net.forward(names))


if __name__ == "__main__":
    main(*sys.argv[1:])
