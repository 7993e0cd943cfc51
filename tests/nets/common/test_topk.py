"""The highest-scoring pairs of candidate and class, by hand and compared with sorting all of them."""

import torch

from nets.common.topk import MAX_PAIRS, as_candidates, best_pairs, clip_to_input


def test_by_hand():
    scores = torch.tensor([[[0.1, 0.9], [0.5, 0.2]], [[0.0, 0.3], [0.4, 0.6]]])
    best = best_pairs(scores)
    assert best.rows.tolist() == [[0, 1, 1, 0], [1, 1, 0, 0]]
    assert best.labels.tolist() == [[1, 0, 1, 0], [1, 0, 1, 0]]
    found = as_candidates(torch.zeros(2, 4, 4), best, 2)
    torch.testing.assert_close(found.scores[0], torch.tensor([[0, 0.9], [0.5, 0], [0, 0.2], [0.1, 0]]))


def test_of_many_the_best_remain():
    scores = torch.rand(2, 3000, 7, generator=torch.Generator().manual_seed(0))
    best = best_pairs(scores)
    expected = scores.flatten(1).sort(dim=1, descending=True).values[:, :MAX_PAIRS]
    assert torch.equal(best.scores, expected)
    for image in range(2):
        assert torch.equal(scores[image, best.rows[image], best.labels[image]], expected[image])
        pairs = best.rows[image] * 7 + best.labels[image]
        assert len(pairs.unique()) == MAX_PAIRS


def test_boxes_are_cut_off_at_the_borders():
    boxes = torch.tensor([[-5.0, 3.0, 50.0, 20.0], [10.0, -1.0, 12.0, 99.0], [70.0, 70.0, 80.0, 80.0]])
    assert clip_to_input(boxes, (30, 40)).tolist() == [[0, 3, 40, 20], [10, 0, 12, 30], [40, 30, 40, 30]]
