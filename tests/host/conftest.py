from tests.data.conftest import scene_fixture, two_classes, write_fixture  # noqa: F401  fixtures of both rooms
from tests.interop.conftest import readers_called_once  # noqa: F401
