"""VIDM through the same doors as DIGAN: train, resume, render, evaluate, export, fine-tune; and what is refused."""

import dataclasses
import json
import re

import jax
import numpy as np
import pytest
from configs import vidm as shipped

import digan_jax as digan
from digan_jax import cli
from digan_jax.config import schema
from digan_jax.evaluation import protocols
from digan_jax.interop import model_folder, opening
from digan_jax.models.families import FAMILIES
from digan_jax.rendering import samplers
from digan_jax.rendering.refining import Refined
from digan_jax.runs import reading
from digan_jax.training import loop

SMALL = {  # one level, to compile soon; the golden networks have two
    "resolution": 16, "width": 32, "multipliers": (1,), "blocks": 1, "attention": (), "head_width": 32, "frames": 4,
    "diffusion_steps": 40, "sampling_steps": "3",
}  # fmt: skip


def config_of(**changes):
    c = shipped.get_config()
    c.model.update(SMALL)
    c.data.source, c.data.name, c.data.frames, c.train.batch_size = "bouncing", "", 4, 8
    c.train.learning_rate = 1e-3
    c.train.total_kimg, c.log.every_kimg, c.log.samples_every_kimg = 0.032, 0.008, 0.032
    c.log.sample_clips, c.checkpoint.every_kimg = 2, 0.008
    c.update_from_flattened_dict(changes)
    return schema.parse(c)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Four steps of both networks; nobody may write into it."""
    folder = tmp_path_factory.mktemp("vidm") / "whole"
    loop.train(config_of(), str(folder))
    return folder


@pytest.fixture(scope="module")
def content_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vidm") / "content"
    loop.train(config_of(**{"vidm.stage": "content", "train.total_kimg": 0.016}), str(folder))
    return folder


def test_a_run_that_was_stopped_ends_in_the_same_bits(run, tmp_path):
    loop.train(config_of(**{"train.total_kimg": 0.016}), str(tmp_path / "pieces"))
    loop.train(config_of(), str(tmp_path / "pieces"))
    (_, ours), (_, theirs) = (reading.restore_weights(folder) for folder in (run, tmp_path / "pieces"))
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)
    assert set(ours["weights"]) == set(ours["ema"]) == {"content", "motion"}
    lines = [json.loads(line) for line in (run / "metrics.jsonl").open()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4] and np.isfinite([line["motion/loss"] for line in lines]).all()
    assert (run / "samples" / "kimg_000000.032.mp4").exists()


def test_clips_are_a_function_of_their_ids(run):
    model = digan.load(run)
    times = np.arange(6) / 3  # two frames beyond the trained clip
    clips = model.sample([3, 5, 3], times, motion_ids=[1, 1, 2])
    assert clips.shape == (3, 6, 16, 16, 3) and np.isfinite(clips).all()
    np.testing.assert_array_equal(clips[1], model.sample([5], times, motion_ids=[1])[0])  # to the bit, whatever the batch
    np.testing.assert_array_equal(clips[0, 0], clips[2, 0])  # one content, one first frame
    assert (clips[0, 1:] != clips[2, 1:]).any() and (clips[0, 0] != clips[1, 0]).any()
    assert (model.sample([3], times, seed=1) != clips[:1]).any()
    assert (model.sampling("ddim", "5").sample([3], times, motion_ids=[1]) != clips[:1]).any()
    with pytest.raises(digan.InputError, match="section 1 has 40 steps; keep 1 to 40"):
        model.sampling(steps="41")
    backwards = model.sample([3], times[::-1], motion_ids=[1])
    np.testing.assert_array_equal(backwards[0, ::-1], clips[0])
    some = model.sample([3], [[0.0, 1 / 3, 1 / 3, 1.0]], motion_ids=[1])
    np.testing.assert_array_equal(some[0], clips[0, [0, 1, 1, 3]])


def test_a_given_first_frame_is_continued(run):
    model = digan.load(run)
    first = np.random.default_rng(0).uniform(-1, 1, (16, 24, 3)).astype(np.float32)
    clip = model.generate(model.latents([0, 1], first=first), [0, 1 / 3])
    assert clip.shape == (2, 2, 16, 24, 3)
    np.testing.assert_array_equal(clip[:, 0], np.stack([first, first]))
    with pytest.raises(digan.InputError, match="first frames are 24x16, the frames to draw 16x16; resize"):
        model.generate(model.latents([0], first=first), [0], digan.grid(16, 16))
    with pytest.raises(digan.InputError, match="bytes"):
        model.latents([0], first=np.zeros((16, 16, 3), np.uint8))


def test_a_picture_is_animated(run):
    model, still = digan.load(run), np.random.default_rng(0).uniform(-1, 1, (16, 16, 3)).astype(np.float32)
    clips = np.concatenate(list(model.animate(still, [0, 1], [0, 1 / 3, 2 / 3])), axis=1)
    np.testing.assert_array_equal(clips, model.generate(model.latents([0, 1], first=still), [0, 1 / 3, 2 / 3]))
    assert (clips[0, 1] != clips[1, 1]).any()
    alone = dataclasses.replace(model, params={"content": model.params["content"]})
    with pytest.raises(digan.InputError, match="hold a content model alone"):
        list(alone.animate(still, [0], [0]))


def test_the_sampler_is_chosen_by_flags(run, tiny_run, tmp_path, capsys):
    out = tmp_path / "a.npz"
    words = ["render", "--run", str(run), "--out", str(out), "--frames", "2", "--times", "0:0.34"]
    model, times = digan.load(run), np.linspace(0, 0.34, 2, dtype=np.float32)
    assert cli.main([*words, "--sampler", "dpm", "--sampling-steps", "lambda4"]) == 0
    ours = model.sampling("dpm", "lambda4").sample([0], times)[0]
    np.testing.assert_allclose(np.load(out)["frames"], ours, atol=1e-6)
    for wrong, message in (
        (["--sampling-steps", "400"], "section 1 has 40 steps"),
        (["--guidance", "2"], "--guidance 2: this model knows no classes"),
        (["--eta", "2"], "--eta 2: must lie in [0, 1]"),
    ):
        assert cli.main([*words, *wrong]) == 2
        assert message in capsys.readouterr().err
    assert cli.main(["render", "--run", str(tiny_run), "--out", str(out), "--sampler", "dpm"]) == 2
    assert "draws a clip in one pass" in capsys.readouterr().err


def test_clips_of_another_model_are_drawn_anew(run, content_run, tiny_run, tmp_path, capsys):
    """With next to no noise they are the proposals; with more they are not; a GAN's times and sizes are free."""
    out = tmp_path / "a.npz"
    words = ["render", "--run", str(tiny_run), "--out", str(out), "--frames", "3", "--times", "0.1:0.9"]
    words += ["--size", "18x16"]
    assert cli.main(words) == 0
    plain = np.clip(np.load(out)["frames"], -1, 1)
    assert cli.main([*words, "--refine", str(run), "--refine-noise", "0.01"]) == 0
    near = np.load(out)["frames"]
    assert cli.main([*words, "--refine", str(run), "--refine-noise", "0.8"]) == 0
    far = np.load(out)["frames"]
    assert plain.shape == near.shape == (3, 16, 18, 3)
    # the first of 40 steps has noise of deviation 0.05, which four steps of training do not take away
    assert np.abs(near - plain).mean() < 0.1 < np.abs(far - plain).mean()
    refined = Refined.of(digan.load(tiny_run), digan.load(run), 0.5)
    a, b = refined.sample([3, 5], [0, 0.5], motion_ids=[1, 1]), refined.sample([5], [0, 0.5], motion_ids=[1])
    np.testing.assert_array_equal(a[1:], b)  # to the bit, whatever the batch
    for wrong, message in (
        (["--refine", str(tiny_run)], "is no model of the family vidm"),
        (["--refine", str(content_run)], "hold a content model alone"),
        (["--refine", str(run), "--refine-noise", "0"], "--refine-noise 0: must lie in (0, 1]"),
        (["--refine", str(run), "--walk", "0,1"], "leave --walk and --mix out"),
    ):
        assert cli.main([*words, *wrong]) == 2
        assert message in capsys.readouterr().err


def test_a_model_with_classes():
    """Drawn with and without guidance. Both networks are moved from their start, where classes are not heard."""
    config = config_of(**{"model.n_classes": 3, "model.motion_input": "both"})
    state = FAMILIES["vidm"].init(jax.random.key(0), config)
    random = np.random.default_rng(0)
    moved = jax.tree.map(lambda x: x + 0.05 * random.normal(size=x.shape).astype(np.float32), state.ema)
    model = samplers.of_run(config, moved)
    a, b, a2 = (model.sample([0], [0, 1 / 3], label=label) for label in (0, 1, [0]))
    np.testing.assert_array_equal(a, a2)
    assert (a != b).any() and (model.sampling(guidance=3.0).sample([0], [0, 1 / 3], label=0) != a).any()
    with pytest.raises(digan.InputError, match="classes of this model are whole numbers from 0 to 2"):
        model.latents([0], label=3)


def test_rendered_and_evaluated_by_the_verbs(run, tmp_path, quick_networks, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    out = tmp_path / "a.npz"
    words = ["render", "--run", str(run), "--out", str(out), "--ids", "0,1"]
    assert cli.main([*words, "--grid", "2x1", "--frames", "4", "--size", "24x16"]) == 0
    assert np.load(out)["frames"].shape == (4, 16, 48, 3)
    assert cli.main([*words, "--region", "0,0,1,1"]) == 2
    assert "draws whole frames" in capsys.readouterr().err
    assert cli.main([*words, "--times", "-1:1"]) == 2
    assert "nothing before the first frame" in capsys.readouterr().err
    assert cli.main(["render", "--run", str(run), "--out", str(out), "--walk", "0,1"]) == 2
    assert "no latent walks" in capsys.readouterr().err
    fewer = dataclasses.replace(protocols.PROTOCOLS["small"], n_real=16, n_fake=16)
    monkeypatch.setitem(protocols.PROTOCOLS, "small", fewer)
    report = tmp_path / "report.json"
    words = ["evaluate", "--run", str(run), "--real", "bouncing", "--protocol", "small", "--no-frames"]
    assert cli.main([*words, "--out", str(report)]) == 0
    assert np.isfinite(json.loads(report.read_text())["protocols"]["small"]["fvd"]["mean"])


def test_exported_and_read_again(run, tmp_path):
    found = opening.read(run, training=True)
    model_folder.write(tmp_path / "model", found, samples=1)
    back = opening.read(tmp_path / "model", training=True)
    jax.tree.map(np.testing.assert_array_equal, (found.params, found.generator), (back.params, back.generator))
    assert back.config == found.config and back.family == "vidm" and back.critic is None
    card = (tmp_path / "model" / "README.md").read_text()
    assert "VIDM" in card and "2212.00235" in card and "DIGAN" not in card and "R1" not in card
    np.testing.assert_array_equal(digan.load(tmp_path / "model").sample([1], [0]), digan.load(run).sample([1], [0]))
    assert cli.main(["export", str(run), "--format", "stablehlo", "--out", str(tmp_path / "other")]) == 2


def test_config_counts_both_networks(capsys):
    assert cli.main(["config", "--config", "vidm_digits"]) == 0
    shown = capsys.readouterr().out
    assert "vidm.stage = 'both'" in shown and "model.width = 32" in shown
    assert all(re.search(rf"^  {name} +[\d,]+  \(", shown, re.M) for name in ("content", "motion"))


def test_stages_in_turn(content_run, tmp_path, capsys):
    """A content run draws still clips; a motion run made from it holds both networks, and leaves the content's alone."""
    still = digan.load(content_run).sample([0], [0, 1 / 3, 1])
    np.testing.assert_array_equal(still[:, 0], still[:, 2])
    assert "first frames are shown still" in capsys.readouterr().err
    motion = tmp_path / "motion"
    loop.train(config_of(**{"vidm.stage": "motion", "train.total_kimg": 0.016}), str(motion), str(content_run))
    (_, before), (_, after) = (reading.restore_weights(folder) for folder in (content_run, motion))
    assert set(after["ema"]) == {"content", "motion"} and set(after["weights"]) == {"motion"}
    jax.tree.map(np.testing.assert_array_equal, before["ema"]["content"], after["ema"]["content"])
    clip = digan.load(motion).sample([0], [0, 1 / 3, 1])
    np.testing.assert_array_equal(clip[:, 0], still[:, 0])
    assert (clip[:, 1] != clip[:, 2]).any()


def test_what_is_refused(run, tmp_path, tiny_run):
    motion = config_of(**{"vidm.stage": "motion"})
    with pytest.raises(digan.InputError, match="vidm.stage='motion': needs a content model.*--init-from"):
        loop.train(motion, str(tmp_path / "a"))
    with pytest.raises(digan.InputError, match="family 'digan'.*family='vidm'"):
        loop.train(config_of(), str(tmp_path / "a"), str(tiny_run))
    wider = config_of(**{"model.width": 64})
    with pytest.raises(digan.InputError, match="another architecture, model.width: 32 -> 64"):
        loop.train(wider, str(tmp_path / "a"), str(run))
    assert not (tmp_path / "a").exists()
    model = digan.load(run)
    alone = dataclasses.replace(model, params={"motion": model.params["motion"]})
    with pytest.raises(digan.InputError, match="a motion model alone; give first frames"):
        alone.sample([0], [0])
    with pytest.raises(digan.InputError, match="truncation=0.5: a diffusion model"):
        model.latents([0], truncation=0.5)
