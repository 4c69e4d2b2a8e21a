import pytest

from digan_jax.errors import InputError
from digan_jax.host.number_lists import MOST, whole_numbers


def test_lists_as_people_write_them():
    assert whole_numbers("0-2, 5,3-3") == [0, 1, 2, 5, 3]
    assert len(whole_numbers(f"1-{MOST}")) == MOST


@pytest.mark.parametrize("text", ["", "a", "3-", "5-2", "-1", "1,,2", "1.5", f"0-{MOST}", "0-999999999999999999", "9" * 99])
def test_others(text):
    with pytest.raises(InputError, match="no list of whole numbers|names more than"):
        whole_numbers(text)
