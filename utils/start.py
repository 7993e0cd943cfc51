"""What a training starts from: the model and its weights, and what the log says of them."""

from nets import LossSettings, Preset, build
from nets.detector import Detector
from utils.anchor_advice import fit_line
from utils.class_weights import weights_line
from utils.index import DatasetIndex
from utils.model_summary import short_summary
from utils.pretrained import WORD, pretrained_weights, source_of
from utils.recipe import expectation
from utils.weights import load_weights, read_weights


def check_weights(weights: str, model: str) -> None:
    """ValueError if --weights is neither a file of weights, nor none, nor pretrained where there are such."""
    if weights == WORD:
        source_of(model)
    elif weights != "none":
        read_weights(weights)


def weights_file(weights: str, model: str) -> str:
    """--weights with a file in place of "pretrained": fetched if it is not there."""
    return str(pretrained_weights(model).absolute()) if weights == WORD else weights


def prepare_detector(
    model: Preset, train: DatasetIndex, weights: str, image_size: tuple[int, int], loss: LossSettings
) -> Detector:
    """Build the detector and load the weights it starts from, with a report."""
    detector = build(model, len(train.class_names), loss)
    print(short_summary(model, len(train.class_names), image_size))
    if line := fit_line(train, model, image_size):
        print(line)
    if loss.class_weights:
        print(weights_line(loss.class_weights, train.class_names))
    if weights != "none":
        print(f"weights: {weights}")
        print(load_weights(detector, read_weights(weights), model, train.class_names).text())
    print(expectation(len(train), weights != "none"))
    return detector
