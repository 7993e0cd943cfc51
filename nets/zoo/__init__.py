"""The model zoo: tables of parts and models, and building a detector by name."""
