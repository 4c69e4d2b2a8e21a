import numpy as np
import pytest

from digan_jax.evaluation import feature_cache
from digan_jax.evaluation.feature_cache import Collector, FeatureCache, collect
from digan_jax.evaluation.features import extractors
from digan_jax.evaluation.metrics import motion


@pytest.fixture
def clips():
    return np.random.default_rng(0).integers(0, 256, (5, 16, 4, 4, 3), np.uint8)


@pytest.fixture
def network(quick_networks):
    return extractors.i3d_extractor("crop")


def features(clips, network, cache, **options):
    (found,) = collect(clips, [Collector(network, cache, **options)])
    return found


def test_features_come_in_order_whatever_is_known(clips, network, quick_networks, tmp_path):
    whole = features(clips, network, FeatureCache(network.key))
    cache = FeatureCache(network.key, tmp_path)
    features(clips[[3, 1]], network, cache)
    quick_networks.clear()
    np.testing.assert_allclose(features(clips[[4, 3, 4, 1]], network, cache), whole[[4, 3, 4, 1]], rtol=1e-6)
    assert quick_networks == [("i3d", 1)]  # clip 4 alone, once


def test_a_second_process_computes_nothing(clips, network, quick_networks, tmp_path):
    first = features(clips, network, FeatureCache(network.key, tmp_path))
    quick_networks.clear()
    np.testing.assert_array_equal(features(clips, network, FeatureCache(network.key, tmp_path)), first)
    assert not quick_networks


def test_what_changed_is_computed_anew(clips, network, quick_networks, tmp_path):
    features(clips, network, FeatureCache(network.key, tmp_path))
    quick_networks.clear()
    changed = clips.copy()
    changed[2, 7, 3, 1, 0] ^= 1  # one bit of one clip
    features(changed, network, FeatureCache(network.key, tmp_path))
    assert quick_networks == [("i3d", 1)]
    for other in (extractors.i3d_extractor("squash"), extractors.i3d_extractor("crop", weights="c" * 64)):
        quick_networks.clear()
        features(clips[:1], other, FeatureCache(other.key, tmp_path))
        assert quick_networks == [("i3d", 1)]
    assert network.key != extractors.i3d_extractor("squash").key


def test_a_damaged_file_is_computed_anew(clips, network, quick_networks, tmp_path):
    features(clips, network, FeatureCache(network.key, tmp_path))
    (part,) = (tmp_path / network.key).iterdir()
    part.write_bytes(part.read_bytes()[:-400])
    quick_networks.clear()
    features(clips, network, FeatureCache(network.key, tmp_path))
    assert sum(n for _, n in quick_networks) == 5


def test_names_depend_on_pixels_and_shape(clips):
    names = [feature_cache.digest(c) for c in (clips[0], clips[1], clips[0].reshape(4, 16, 4, 3), clips[0].copy())]
    assert names[0] == names[3] and len(set(names)) == 3
    turned = clips[0].transpose(0, 2, 1, 3)  # strided in memory
    assert feature_cache.digest(turned) == feature_cache.digest(turned.copy())
    assert feature_cache.fingerprint(names[:2]) == feature_cache.fingerprint(names[1::-1])


def test_features_do_not_depend_on_the_number_of_devices(clips, network):
    """Eight devices here; one clip at a time leaves seven of them with copies."""
    alone = np.concatenate([features(clips[i : i + 1], network, FeatureCache(network.key)) for i in range(5)])
    np.testing.assert_allclose(features(clips, network, FeatureCache(network.key)), alone, rtol=1e-6)
    assert network.batch == 8 * network.batch_per_device


def test_changed_clips(clips, network):
    still = features(clips, network, FeatureCache(network.key), change=motion.frozen)
    by_hand = features([motion.frozen(c) for c in clips], network, FeatureCache(network.key))
    np.testing.assert_array_equal(still, by_hand)


def test_thumbnails_are_means_over_blocks():
    clip = np.random.default_rng(0).integers(0, 256, (4, 48, 32, 3), np.uint8)
    small = feature_cache.Thumbnails()
    small.add(clip)
    expected = clip[::2].reshape(2, 16, 3, 16, 2, 3).mean((2, 4))
    np.testing.assert_allclose(small.result()[0], expected.ravel(), rtol=1e-6)
