"""The table of counts and the list of problems."""

from pathlib import Path

import numpy as np

from utils.data.index import flat_index
from utils.data.summary import Problem, count_table, problem_text, shared_images


def index_of(*counts, labels=()):
    boxes = np.tile(np.array([1, 2, 3, 4], np.float32), (sum(counts), 1))
    paths = [f"{number}.jpg" for number in range(len(counts))]
    return flat_index(["cat", "红绿灯"], paths, counts, boxes, np.array(labels, np.int32))


def test_counts_in_columns_of_equal_width():
    indexes = {"train": index_of(2, 0, 1, labels=[1, 1, 0]), "val": index_of(1, labels=[1])}
    table = count_table(indexes, {"difficult": [7, 123456]})
    assert table.split("\n") == [
        "                   train     val",
        "images                 3       1",
        "  without objects      1       0",
        "objects                3       1",
        "  cat                  1       0",
        "  红绿灯               2       1",  # three characters, six columns
        "difficult              7  123456",
    ]


def test_problems_are_listed_up_to_a_number():
    problems = [Problem(f"{number}.xml", "broken") for number in range(3)]
    assert problem_text([], 2) == "no problems"
    assert problem_text(problems, 0).count("broken") == 3
    text = problem_text(problems, 2)
    assert text.startswith("3 problems:") and text.count("broken") == 2 and "and 1 more" in text


def test_images_in_two_data_sets_are_a_problem():
    problems = shared_images({"train": index_of(0, 0), "val": index_of(0), "none": index_of()})
    assert problems == [Problem("train.txt", f"1 images are also in val.txt, for example {Path('0.jpg')}")]
