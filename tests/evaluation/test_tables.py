import json

import numpy as np
import pytest

from digan_jax.evaluation import pairs, tables
from digan_jax.host.files import write_json


@pytest.mark.parametrize("value", [-0.0, np.float64(-0.0), [-0.0, (1.0, -0.0)], {"a": {"b": -0.0}}])
def test_no_report_holds_a_negative_zero(tmp_path, value):
    write_json(tmp_path / "m.json", {"value": value})
    assert "-0.0" not in (tmp_path / "m.json").read_text()


def test_what_is_no_negative_zero_stays(tmp_path):
    tree = {"a": [1.5, -2.0, None, True, "-0.0", 3], "b": {"c": -1e-300}}
    write_json(tmp_path / "m.json", tree)
    assert json.loads((tmp_path / "m.json").read_text()) == tree


@pytest.mark.parametrize("value", [-0.0, -0.04, -1e-9])
def test_tables_round_to_zero_without_a_sign(value):
    assert tables._spread({"mean": value, "deviation": None}) == "0.0"
    assert tables._spread({"mean": 2.0, "deviation": value}) == "2.0 ± 0.0"
    found = {"pairs": 1, "generated": "a", "originals": "b", "units": {"psnr": "dB"}}
    assert "-0" not in pairs.table(found | {"mean": {"psnr": value / 1e5}, "deviation": {"psnr": None}})
