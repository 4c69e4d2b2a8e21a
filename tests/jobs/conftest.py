from tests.evaluation.conftest import quick_networks  # noqa: F401  a fixture of both rooms
