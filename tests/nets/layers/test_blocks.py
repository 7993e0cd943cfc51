"""The blocks of YOLOX, where a mistake would only show with trained weights."""

import torch
from torch.nn import functional as F

from nets.layers.blocks import SPP, Bottleneck, ConvBNAct, CSPLayer, Focus, SeparableConv


def test_focus_stacks_the_pixels_of_each_block_column_by_column():
    focus = Focus(1, 4, kernel=3)
    focus.conv = torch.nn.Identity()
    image = torch.tensor([[0.0, 1, 2, 3], [4, 5, 6, 7]])[None, None]
    # Upper left, lower left, upper right, lower right of each 2 x 2 block.
    assert focus(image)[0, :, 0].tolist() == [[0, 2], [4, 6], [1, 3], [5, 7]]


def test_repeated_pooling_is_pooling_over_5_9_and_13_cells():
    spp = SPP(8, 8).eval()
    spp.merge = torch.nn.Identity()
    x = torch.randn(2, 8, 15, 20, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        reduced = spp.reduce(x)
        expected = [reduced, *(F.max_pool2d(reduced, k, stride=1, padding=k // 2) for k in (5, 9, 13))]
        assert torch.equal(spp(x), torch.cat(expected, dim=1))


def test_shortcut_adds_the_input():
    x = torch.randn(2, 8, 6, 6, generator=torch.Generator().manual_seed(0))
    block = Bottleneck(8, shortcut=True, separable=True).eval()
    with torch.no_grad():
        added = block(x)
        block.shortcut = False
        torch.testing.assert_close(added, x + block(x))


def test_csp_layer_puts_the_blocks_before_the_bypass():
    layer = CSPLayer(6, 8, 1, shortcut=False, separable=False).eval()
    layer.merge = torch.nn.Identity()
    x = torch.randn(1, 6, 5, 5, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(layer(x)[:, 4:], layer.bypass(x))
        torch.testing.assert_close(layer(x)[:, :4], layer.blocks(layer.main(x)))


def test_convolutions_halve_odd_sizes_upwards_and_keep_channels_apart():
    assert ConvBNAct(3, 5, 3, stride=2)(torch.zeros(2, 3, 9, 12)).shape == (2, 5, 5, 6)
    separable = SeparableConv(4, 6, 3, stride=2)
    assert separable.depthwise.conv.weight.shape == (4, 1, 3, 3)
    assert separable(torch.zeros(2, 4, 8, 8)).shape == (2, 6, 4, 4)
