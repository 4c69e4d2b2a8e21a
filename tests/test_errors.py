import errno

import pytest

from digan_jax.errors import full_disk


@pytest.mark.parametrize(
    "error, reason",
    [
        (OSError(errno.ENOSPC, "in the words of some other language"), "No space left on device"),
        (OSError(errno.EDQUOT, ""), "Disk quota exceeded"),
        (ValueError("RESOURCE_EXHAUSTED: No space left on device [code=28]"), "No space left on device"),
        (OSError(errno.EACCES, "Permission denied"), None),
        (ValueError("space"), None),
    ],
)
def test_full_disk_is_recognised_by_number_and_by_words(error, reason):
    assert full_disk(error) == reason


@pytest.mark.parametrize("explicit", [True, False])
def test_full_disk_is_found_behind_the_error_it_led_to(explicit):
    full = OSError(errno.ENOSPC, "")
    with pytest.raises(RuntimeError) as caught:
        try:
            raise full
        except OSError:
            if explicit:
                raise RuntimeError("could not write") from full
            raise RuntimeError("could not write")
    assert full_disk(caught.value) == "No space left on device"
