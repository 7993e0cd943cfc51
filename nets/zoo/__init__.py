"""The model zoo: the tables of parts and models, and building a detector by its name."""
