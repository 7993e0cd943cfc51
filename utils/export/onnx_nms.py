"""Non-maximum suppression as an ONNX graph, to run an exported file without our code.

The same steps as in `utils/inference/nms.py`, for a batch: only the best class of each box, NMS per class,
highest score first. The NonMaxSuppression operator has no mode for this. It gets ranks instead of scores, so
that ties are broken as by our stable sort, and boxes shifted by class, so that coordinates are rounded as in
torchvision's `batched_nms`.
"""

from utils.export.onnx_text import float_text
from utils.inference.nms import max_candidates


def nms_graph(confidence: float, iou: float, max_detections: int) -> str:
    """Return the graph from candidate_boxes [B, A, 4] and candidate_scores [B, A, C] to three outputs.

    nms_boxes   float [B, K, 4], xyxy in pixels of the network input; K is at most `max_detections`
    nms_scores  float [B, K], descending; 0 for no detection
    nms_labels  int64 [B, K]; -1 for no detection
    """
    return f"""
    select (float[B, A, 4] candidate_boxes, float[B, A, C] candidate_scores)
        => (float[B, K, 4] nms_boxes, float[B, K] nms_scores, int64[B, K] nms_labels)
    <
        int64[1] n_first = {{1}}, int64[1] n_last = {{2}}, int64[2] n_both = {{1, 2}},
        int64[2] n_columns = {{0, 2}},
        int64[1] n_most = {{{max_candidates(max_detections)}}}, int64[1] n_kept_most = {{{max_detections}}},
        int64 n_zero_int = {{0}}, int64 n_one_int = {{1}}, int64 n_no_label = {{-1}},
        float n_zero = {{0}}, float n_one = {{1}}, float n_none = {{-1}}, float n_huge = {{3e38}},
        float n_confidence = {{{float_text(confidence)}}}, float n_iou = {{{float_text(iou)}}}
    >
    {{
        n_best = ReduceMax <keepdims = 0> (candidate_scores, n_last)
        n_classes = ArgMax <axis = 2, keepdims = 0> (candidate_scores)
        n_anchors = Shape <start = 1, end = 2> (candidate_boxes)
        n_looked_at = Min (n_anchors, n_most)
        n_scores, n_order = TopK <axis = 1> (n_best, n_looked_at)
        n_labels = GatherElements <axis = 1> (n_classes, n_order)
        n_rows = Unsqueeze (n_order, n_last)
        n_boxes = GatherND <batch_dims = 1> (candidate_boxes, n_rows)

        n_reached = GreaterOrEqual (n_scores, n_confidence)
        n_reached_rows = Unsqueeze (n_reached, n_last)
        n_high_elsewhere = Where (n_reached_rows, n_boxes, n_huge)
        n_least = ReduceMin <keepdims = 1> (n_high_elsewhere, n_both)
        n_moved = Sub (n_boxes, n_least)
        n_from_zero = Where (n_reached_rows, n_moved, n_zero)
        n_largest = ReduceMax <keepdims = 1> (n_from_zero, n_both)
        n_apart = Add (n_largest, n_one)
        n_float_labels = Cast <to = 1> (n_labels)
        n_label_rows = Unsqueeze (n_float_labels, n_last)
        n_shift = Mul (n_label_rows, n_apart)
        n_shifted = Add (n_from_zero, n_shift)

        n_number = Squeeze (n_looked_at)
        n_places = Range (n_zero_int, n_number, n_one_int)
        n_ranks_int = Sub (n_number, n_places)
        n_ranks = Cast <to = 1> (n_ranks_int)
        n_ranked = Where (n_reached, n_ranks, n_none)
        n_class_scores = Unsqueeze (n_ranked, n_first)
        n_found = NonMaxSuppression (n_shifted, n_class_scores, n_kept_most, n_iou, n_zero)

        n_image_and_place = Gather <axis = 1> (n_found, n_columns)
        n_nowhere = Mul (n_ranked, n_zero)
        n_found_number = Shape <start = 0, end = 1> (n_found)
        n_ones = Expand (n_one, n_found_number)
        n_kept = ScatterND (n_nowhere, n_image_and_place, n_ones)
        n_kept_ranks = Mul (n_kept, n_ranks)

        n_returned = Min (n_looked_at, n_kept_most)
        n_top, n_top_places = TopK <axis = 1> (n_kept_ranks, n_returned)
        n_real = Greater (n_top, n_zero)
        n_top_scores = GatherElements <axis = 1> (n_scores, n_top_places)
        nms_scores = Where (n_real, n_top_scores, n_zero)
        n_top_labels = GatherElements <axis = 1> (n_labels, n_top_places)
        nms_labels = Where (n_real, n_top_labels, n_no_label)
        n_top_rows = Unsqueeze (n_top_places, n_last)
        n_top_boxes = GatherND <batch_dims = 1> (n_boxes, n_top_rows)
        n_real_rows = Unsqueeze (n_real, n_last)
        nms_boxes = Where (n_real_rows, n_top_boxes, n_zero)
    }}
    """
