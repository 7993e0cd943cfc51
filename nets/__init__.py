"""What a detector is: backbone, neck, head, loss and decoding. Imports nothing of `utils`."""

from nets.zoo import ZOO, build_detector, preset, stride_of

__all__ = ["ZOO", "build_detector", "preset", "stride_of"]
