"""Defaults of training that depend on the optimizer or the data, with the measurements behind them."""

from utils.train.optimizer import OptimizerName

# Peak learning rate for a batch of 64 images and weight decay, by optimizer. AP of yolox_nano from COCO
# weights on test images, 416 pixels, 12 epochs (BCCD 15), by seed, with Muon at .012 and AdamW at .006: chess
# .768, .766 and .726, .740, .716; pears .458, .437 and .428, .446; BCCD .617, .618, .616 and .603; boards
# .592 and .445, .525, .421. AdamW at .012: chess .726, pears .424, BCCD .595, so it is not the learning rate
# that makes Muon better. From scratch BCCD .510 and .401.
# Before, on BCCD alone: AdamW .607 at .006, SGD .596 at .08 and .587 at .04. Muon in 8 epochs at 320 pixels,
# seeds 0 and 1: .572 and .580 at .012, .579 and .581 at .024; with seed 0 alone .556 at .003, .565 at .006,
# .573 at .048; .012 is as good as .024 within the variation between seeds, and further from diverging. Its
# weight decay is AdamW's, as in its paper; no other was tried.
DEFAULT_LEARNING_RATE: dict[OptimizerName, float] = {"sgd": 0.08, "adamw": 0.006, "muon": 0.012}
DEFAULT_WEIGHT_DECAY: dict[OptimizerName, float] = {"sgd": 5e-4, "adamw": 0.05, "muon": 0.05}

FEW_IMAGES = 500


def suggest_epochs(images: int) -> int:
    """Return the epochs for so many training images: about 12,000 images in all, 30 to 300 epochs."""
    return min(300, max(30, round(12_000 / images)))


def suggest_freeze_epochs(epochs: int, from_weights: bool) -> int:
    """Return a fifth of the epochs, in which only the new layers learn; 0 when training from scratch."""
    return round(epochs / 5) if from_weights else 0


def expectation(images: int, from_weights: bool) -> str:
    """Return what to expect of a training, in a sentence or two for the log."""
    source = (
        "fine-tuning from trained weights: expect useful boxes after a few epochs"
        if from_weights
        else "training from scratch: it takes several times as long as fine-tuning, and with few images the "
        "result is worse; --weights FILE starts from trained weights"
    )
    few = (
        f" {images} images are few: a hundred more of what the model misses help more than any setting."
        if images < FEW_IMAGES
        else ""
    )
    return source + "." + few
