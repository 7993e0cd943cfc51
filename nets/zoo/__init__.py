"""The model zoo: which parts make which model, and building it."""
