"""Preview images of batches and predictions."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.utils.train.tiny_training import PHASE, SIDE, drawn_index, make_trainer
from utils.augment.settings import NO_AUGMENTATION, Augmentation
from utils.augment.user_augmentation import UserAugmentation
from utils.data.detections import Detections
from utils.data.index import select_boxes
from utils.images.image_io import read_image
from utils.loader.train_dataset import SampleKey, TrainDataset
from utils.run import preview
from utils.run.preview import MAX_IMAGES_DRAWN, save_batch_image, save_predictions_image, save_previews


def images_of(monkeypatch):
    """Record the images of a contact sheet before they are laid out and compressed."""
    kept = []
    real = preview.contact_sheet

    def sheet(images, columns):
        kept.extend(images)
        return real(images, columns=columns)

    monkeypatch.setattr(preview, "contact_sheet", sheet)
    return kept


def found(box=(10, 20, 40, 50), score=0.9):
    return Detections(np.array([box], np.float32), np.array([score], np.float32), np.array([1]))


def samples(index, image_numbers, side):
    keys = [SampleKey(0, image_number, (side, side)) for image_number in image_numbers]
    return TrainDataset(index, [(side, side)], NO_AUGMENTATION).batch(keys)


def test_a_batch_as_the_network_sees_it_with_its_boxes(tmp_path, monkeypatch):
    index = drawn_index(tmp_path)
    batch = samples(index, (2, 1), SIDE)
    before = batch.images.clone()
    kept = images_of(monkeypatch)
    save_batch_image(tmp_path / "batch.jpg", batch, index.class_names)
    assert read_image(tmp_path / "batch.jpg").shape[0] >= SIDE
    assert (batch.images == before).all(), "drawing changes the batch itself"
    for drawn, image_number in zip(kept, (2, 1), strict=True):
        differs = (drawn != read_image(index.path(image_number))).any(-1)
        left, top, right, bottom = index.boxes[image_number].astype(int)
        assert differs[top : bottom - 1, left - 1 : left + 2].any(1).all(), "the left side of the box"
        assert not differs[top + 12 : bottom - 6, left + 6 : right - 6].any(), "the inside stays"


def test_a_large_batch_is_cut(tmp_path, monkeypatch):
    index = drawn_index(tmp_path, 2)
    batch = samples(index, [k % 2 for k in range(20)], 32)
    kept = images_of(monkeypatch)
    save_batch_image(tmp_path / "batch.jpg", batch, index.class_names)
    assert len(kept) == MAX_IMAGES_DRAWN


def test_predictions_above_the_confidence_are_drawn(tmp_path, monkeypatch):
    index = drawn_index(tmp_path)
    kept = images_of(monkeypatch)
    scores = (0.9, 0.2, 0.5, 0.9)
    save_predictions_image(tmp_path / "p.jpg", index, [found(score=score) for score in scores], 0.5)
    changed = [bool((drawn != read_image(index.path(n))).any()) for n, drawn in enumerate(kept)]
    assert changed == [True, False, True, True]


def test_predictions_are_spread_over_the_data(tmp_path, monkeypatch):
    index = drawn_index(tmp_path, 31)
    read: list[Path] = []
    monkeypatch.setattr(
        preview, "read_image", lambda path: read.append(path) or np.zeros((8, 8, 3), np.uint8)
    )
    save_predictions_image(tmp_path / "p.jpg", index, [Detections.empty()] * 31, 0.5)
    assert [int(path.stem) for path in read] == list(range(0, 31, 2))


def test_an_image_that_cannot_be_read_is_left_out(tmp_path, monkeypatch):
    index = drawn_index(tmp_path, 3)
    index.path(1).write_bytes(b"no image")
    kept = images_of(monkeypatch)
    save_predictions_image(tmp_path / "p.jpg", index, [found()] * 3, 0.5)
    assert len(kept) == 2 and (tmp_path / "p.jpg").is_file()


def test_batches_of_each_phase(tmp_path, capsys):
    augmentation = Augmentation(scale=(0.5, 0.6))
    phases = (replace(PHASE, augmentation=augmentation), replace(PHASE, name="clean"))
    trainer = make_trainer(drawn_index(tmp_path), phases=phases)
    folder = tmp_path / "previews"
    folder.mkdir()
    save_previews(trainer, folder)
    names = [f"phase_{phase}_batch_{batch}.jpg" for phase in (1, 2) for batch in (1, 2)]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert "phase_2_batch_1.jpg  phase 'clean'" in capsys.readouterr().out
    images = {(folder / name).read_bytes() for name in names}
    assert len(images) == 4  # each epoch has its own batch


def test_batches_show_the_users_augmentation_and_repeated_images(tmp_path, monkeypatch):
    """Of 16 images one has an object, so the factor 4: an epoch has it 16 * 4/19 = 3.4 times."""
    user = UserAugmentation(
        "mine.py", "def augment(image, boxes, labels, rng):\n    return 255 - image, [], []\n"
    )
    only_first = np.arange(16) == 0
    index = select_boxes(drawn_index(tmp_path, 16), only_first)
    phase = replace(PHASE, batch_size=16)
    plain = make_trainer(index, phases=(phase,)).whole_batch(phase, 0, 0)
    changed = make_trainer(index, phases=(phase,), balance=1.0, user_augmentation=user)
    batch = changed.whole_batch(phase, 0, 0)
    assert sorted(plain.image_numbers.tolist()) == list(range(16)) and plain.targets.valid.sum() == 1
    assert batch.image_numbers.tolist().count(0) in (3, 4) and not batch.targets.valid.any()
    first = [images.images[images.image_numbers.tolist().index(0)] for images in (plain, batch)]
    assert (first[0] == 255 - first[1]).all()
    kept = images_of(monkeypatch)
    save_previews(changed, tmp_path)
    assert (kept[0] == batch.images[0].permute(1, 2, 0).numpy()).all()
