import pytest

from digan_jax.training import pace
from digan_jax.training.logs import Writer


class Recorder(Writer):
    def __init__(self):
        self.said = []

    def write_text(self, step, name, text):
        self.said.append((step, text))


def test_it_says_compiling_how_long_that_took_and_how_long_the_run_will(monkeypatch, make_config):
    clock = [1000.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: clock[0])
    config = make_config({"train.batch_size": 8, "train.total_kimg": 80.0})  # 10,000 steps
    recorder = Recorder()
    of_run = pace.Pace(config.train, recorder, step=500)
    of_run.compiling()
    clock[0] += 90
    for step in range(501, 701):
        of_run.ended(step)
        clock[0] += 2
    assert recorder.said == [
        (500, "compiling the training step"),
        (501, "compiled in 90 seconds"),
        (600, "4.0 clips/s over the first 100 steps: the 80 kimg of this run take 5.6 hours on this machine, of which "
         "5.2 hours are left."),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "seconds, words",
    [(0.04, "0.0 seconds"), (34, "34 seconds"), (119, "119 seconds"), (600, "10 minutes"), (7200, "2.0 hours"),
     (5e5, "5.8 days")],
)
def test_durations_have_the_unit_that_a_person_would_use(seconds, words):
    assert pace.in_words(seconds) == words
