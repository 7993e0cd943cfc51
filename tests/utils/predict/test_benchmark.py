"""Speed by stage: what is counted, and the table."""

import numpy as np
import torch

from utils.predict.benchmark import WARM_UP_BATCHES, speed_table, time_stages

CPU = torch.device("cpu")


def test_every_batch_is_counted_after_the_warm_up_and_no_file_stays():
    calls, folders = [], set()

    def work(batch, watch, folder):
        calls.append(list(batch))
        folders.add(folder)
        (folder / "result").write_text("x")
        watch.seconds["decode"] = 0.004 * len(batch)
        watch.seconds["network"] = 0.010 * len(calls)

    taken = time_stages(work, 5, 2, 3, CPU)
    assert calls[WARM_UP_BATCHES:] == [[0, 1], [2, 3], [4]] * 3
    np.testing.assert_allclose(taken["decode"], [4.0] * 9)  # milliseconds of an image
    sizes = [2, 2, 1] * 3
    counted = range(WARM_UP_BATCHES + 1, WARM_UP_BATCHES + 10)
    expected = [10 * call / size for call, size in zip(counted, sizes, strict=True)]
    np.testing.assert_allclose(taken["network"], expected)
    np.testing.assert_allclose(taken["all"], taken["decode"] + taken["network"])
    assert not any(folder.exists() for folder in folders)


def test_the_table_by_hand():
    taken = {"decode": np.array([1.0, 1, 1, 5]), "network": np.array([9.0, 9, 9, 5])}
    lines = speed_table(taken | {"all": np.full(4, 10.0)}).splitlines()
    assert lines[0].split() == ["ms", "per", "image", "median", "share", "p95", "max"]
    # decode: 8 of 40 ms; 95 % of the way from the first to the last of four is .85 between the last two
    assert lines[1].split() == ["decode", "1.00", "20.0%", "4.40", "5.00"]
    assert lines[2].split() == ["network", "9.00", "80.0%", "9.00", "9.00"]
    assert lines[3].split() == ["all", "10.00", "100.0%", "10.00", "10.00"]
    assert lines[4] == "100.0 images/s, one stage after the other"
