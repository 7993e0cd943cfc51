"""The letterbox and its inverse as ONNX graphs: an image of any size in, boxes in original pixels out.

The same arithmetic as in `utils/images/letterbox.py`, including float64. Pixels can differ by one grey level
from OpenCV, which interpolates in integers.
"""

from nets.common.preprocess import PixelFormat
from utils.data.types import Size


def letterbox_graph(size: Size, pixels: PixelFormat) -> str:
    """Return the graph from `image` uint8 RGB [h, w, 3] to `images` uint8 [1, 3, H, W] of `size`."""
    share = 0.5 if pixels.pad_centred else 0  # fraction of the padding above, and left of, the image
    return f"""
    letterbox (uint8[h, w, 3] image) => (uint8[1, 3, {size[0]}, {size[1]}] images)
    <
        double[2] l_target = {{{size[0]}, {size[1]}}}, double l_one = {{1}}, double l_share = {{{share}}},
        int64[2] l_one_image = {{1, 3}}, int64[2] l_no_padding = {{0, 0}}, int64[1] l_first = {{0}},
        float l_grey = {{{pixels.pad_value}}}
    >
    {{
        l_source_int = Shape <start = 0, end = 2> (image)
        l_source = Cast <to = 11> (l_source_int)
        l_ratios = Div (l_target, l_source)
        l_scale = ReduceMin <keepdims = 1> (l_ratios)
        l_exact = Mul (l_source, l_scale)
        l_whole = Round (l_exact)
        l_resized = Max (l_whole, l_one)
        l_padding = Sub (l_target, l_resized)
        l_part = Mul (l_padding, l_share)
        l_before = Floor (l_part)
        l_after = Sub (l_padding, l_before)

        l_float = Cast <to = 1> (image)
        l_channels_first = Transpose <perm = [2, 0, 1]> (l_float)
        l_batch = Unsqueeze (l_channels_first, l_first)
        l_resized_int = Cast <to = 7> (l_resized)
        l_sizes = Concat <axis = 0> (l_one_image, l_resized_int)
        l_scaled = Resize <mode = "linear"> (l_batch, , , l_sizes)
        l_levels = Round (l_scaled)
        l_before_int = Cast <to = 7> (l_before)
        l_after_int = Cast <to = 7> (l_after)
        l_pads = Concat <axis = 0> (l_no_padding, l_before_int, l_no_padding, l_after_int)
        l_padded = Pad (l_levels, l_pads, l_grey)
        images = Cast <to = 2> (l_padded)
    }}
    """


def original_graph() -> str:
    """Return the graph from the outputs of `nms_graph` to boxes in original pixels, clipped to the image.

    A box that lies entirely in the padding is removed: label -1, score 0.
    """
    return """
    original (float[1, K, 4] nms_boxes, float[1, K] nms_scores, int64[1, K] nms_labels)
        => (float[1, K, 4] boxes, float[1, K] scores, int64[1, K] labels)
    <
        int64[4] o_xyxy = {1, 0, 1, 0}, int64[2] o_low = {0, 1}, int64[2] o_high = {2, 3},
        int64[1] o_last = {2}, double o_zero = {0}, float o_no_score = {0}, int64 o_no_label = {-1}
    >
    {
        o_scales = Div (l_resized, l_source)
        o_box_scales = Gather (o_scales, o_xyxy)
        o_offsets = Gather (l_before, o_xyxy)
        o_limits = Gather (l_source, o_xyxy)
        o_double = Cast <to = 11> (nms_boxes)
        o_moved = Sub (o_double, o_offsets)
        o_unscaled = Div (o_moved, o_box_scales)
        o_not_negative = Max (o_unscaled, o_zero)
        o_clipped = Min (o_not_negative, o_limits)
        boxes = Cast <to = 1> (o_clipped)

        o_corner1 = Gather <axis = 2> (boxes, o_low)
        o_corner2 = Gather <axis = 2> (boxes, o_high)
        o_sides = Sub (o_corner2, o_corner1)
        o_least = ReduceMin <keepdims = 0> (o_sides, o_last)
        o_has_area = Greater (o_least, o_no_score)
        scores = Where (o_has_area, nms_scores, o_no_score)
        labels = Where (o_has_area, nms_labels, o_no_label)
    }
    """
