"""Preprocessing of pixels."""

import torch

from nets.common.preprocess import PixelFormat, prepare_pixels
from nets.zoo.build import preset


def image(red, green, blue):
    return torch.tensor([red, green, blue], dtype=torch.uint8).view(1, 3, 1, 1).expand(2, 3, 4, 6)


def test_yolox_sees_bgr_from_0_to_255():
    prepared = prepare_pixels(image(10, 20, 255), preset("yolox_s").pixels)
    assert prepared.dtype == torch.float32 and prepared.shape == (2, 3, 4, 6)
    assert prepared[1, :, 3, 5].tolist() == [255, 20, 10]
    assert not preset("yolox_s").pixels.pad_centred and preset("yolox_s").pixels.pad_value == 114


def test_scale_then_mean_then_deviation_in_the_networks_order():
    pixels = PixelFormat("bgr", 1 / 255, mean=(0.5, 0.0, 1.0), std=(0.5, 1.0, 2.0))
    # blue 255 -> (1 - .5) / .5 = 1; green 51 -> .2; red 0 -> (0 - 1) / 2 = -.5
    prepared = prepare_pixels(image(0, 51, 255), pixels)[0, :, 0, 0]
    torch.testing.assert_close(prepared, torch.tensor([1.0, 0.2, -0.5]))


def test_default_is_rgb_from_0_to_1():
    torch.testing.assert_close(
        prepare_pixels(image(0, 51, 255), PixelFormat())[0, :, 0, 0], torch.tensor([0.0, 0.2, 1.0])
    )


def test_memory_format_stays():
    images = torch.zeros(2, 3, 4, 6, dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    for pixels in (PixelFormat(), preset("yolox_s").pixels):
        assert prepare_pixels(images, pixels).is_contiguous(memory_format=torch.channels_last)


def test_under_autocast_in_its_number_format():
    images = image(0, 51, 255)
    expected = prepare_pixels(images, PixelFormat())
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(prepare_pixels(images, PixelFormat()), expected.bfloat16())
