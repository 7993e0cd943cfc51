"""A trainer that trains nothing: mAP50-95 and seconds follow from the settings, and it has its own clock."""

from utils.tune.base_settings import parse_flags
from utils.tune.budget import Budget, rung_epochs
from utils.tune.search import Plan
from utils.tune.search_space import plan_space
from utils.tune.trainings import Trained, TrainingError

BASE = parse_flags("--optimizer adamw")  # whose default learning rate is .006


class FakeTrainer:
    """The best learning rate is .003; seeds add .001 each. An epoch takes 10 seconds, each start 5."""

    def __init__(self, path, minutes=60.0):
        self.path, self.now, self.calls, self.kill_at, self.fails = path, 0.0, [], None, lambda params: ""
        self.restart(minutes)

    def restart(self, minutes):
        """Start the program again."""
        self.budget = Budget(self.path / "used.json", minutes, lambda: self.now)

    def train(self, params, epochs, seed, name):
        self.calls.append((name, epochs, seed))
        if len(self.calls) == self.kill_at:
            raise KeyboardInterrupt
        if message := self.fails(params):
            raise TrainingError(message)
        self.now += 5 + 10 * epochs
        self.budget.save()
        return Trained(value_of(params) * epochs / (epochs + 3), 5 + 10 * epochs)

    def measure(self, params, seed, name):
        value, seconds = self.train(params, 9, seed, name)
        return Trained(value + 0.001 * seed, seconds)


def value_of(params):
    return max(0.0, 0.5 - 20 * abs(params["lr"] - 0.003))


def plan_of(names=("lr", "mosaic"), epochs=9, seeds=2):
    return Plan(plan_space(names, BASE, epochs, True, False), rung_epochs(epochs), seeds, 0)
