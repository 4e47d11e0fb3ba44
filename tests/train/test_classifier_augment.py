"""Classifiers that are trained on augmented images, with a normalisation for each channel. On the NumPy backend."""

import re

import numpy as np
import pytest

import minicnn as m
from minicnn.data import CutMix, Mixup, Normalise, RandomCrop, RandomFlip
from minicnn.errors import CheckpointError, DataError, OptionError
from minicnn.train.estimator import _preprocessing

RNG = np.random.default_rng(3)
NUMBERS = np.arange(48) % 3
COLOURS = np.array([[230, 30, 30], [30, 230, 30], [30, 30, 230]])
PICTURES = np.clip(COLOURS[NUMBERS][:, None, None] + RNG.normal(0, 20, (48, 6, 6, 3)), 0, 255).astype(np.uint8)
EACH = Normalise.standard([0.5, 0.4, 0.3], [0.2, 0.3, 0.4])


def network(outputs=3):
    layers = [("C", m.Conv2d(4, 3)), m.BatchNorm2d(), m.ReLU(), ("F", m.Dense(outputs))]
    return m.Network(layers, (3, 6, 6), threads=1, backend="numpy")


def trained(augment, seed=0, **options):
    made = m.Classifier(network(), optimizer=m.Adam(0.02), normalise=EACH, **options)
    return made.fit(PICTURES, NUMBERS, epochs=3, batch_size=8, log=None, seed=seed, augment=augment)


@pytest.mark.parametrize("mixing", [[], [Mixup(0.4)], [CutMix()]])
def test_a_classifier_learns_from_augmented_images(mixing):
    made = trained([RandomCrop(1), RandomFlip(), *mixing])
    assert made.evaluate(PICTURES, NUMBERS).accuracy > 0.9
    assert (made.history[-1].train_accuracy is None) == bool(mixing)
    assert not np.array_equal(made.net.params.flat, trained([]).net.params.flat)
    assert np.array_equal(made.net.params.flat, trained([RandomCrop(1), RandomFlip(), *mixing]).net.params.flat)


def test_a_normalisation_for_each_channel_comes_back_from_the_file(tmp_path):
    made = trained([RandomFlip()])
    made.save(tmp_path / "model.safetensors")
    loaded = m.load(tmp_path / "model.safetensors", backend="numpy", threads=1)
    assert loaded.preprocessing.normalise == EACH
    assert np.array_equal(loaded.predict_proba(PICTURES), made.predict_proba(PICTURES))
    floats = m.Classifier(network(), normalise=Normalise(scale=(1, 2, 3), shift=(0, 1, 2)))
    floats.fit(PICTURES / 255, NUMBERS, epochs=1, log=None)
    x = floats.preprocessing.source("test", PICTURES / 255, (3, 6, 6), np.dtype(np.float32))
    expected = (PICTURES / 255 * [1, 2, 3] + [0, 1, 2]).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(x, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("scale", [[], [1.0, "a"], [1.0, True], [1.0, 1e301], [[1.0]], [1.0, 2.0]])
def test_a_damaged_normalisation_is_refused(scale):
    found = {"uint8": True, "normalise": {"scale": scale, "shift": [1.0]}, "fit": "pad", "layout": None}
    with pytest.raises((CheckpointError, OptionError)):
        _preprocessing("file", found)


def test_what_cannot_be_augmented_is_refused():
    words = "Classifier.fit: expected images of uint8 for augment, got others; give grey levels or colours from 0 to 255"
    with pytest.raises(OptionError, match=re.escape(words)):
        m.Classifier(network()).fit(PICTURES / 255, NUMBERS, log=None, augment=[RandomFlip()])
    words = "Augmented: expected a list of augmentations, got RandomFlip(horizontal=True, vertical=False, p=0.5); write for "
    with pytest.raises(OptionError, match=re.escape(words)):
        m.Classifier(network()).fit(PICTURES, NUMBERS, log=None, augment=RandomFlip())
    words = "Augmented: expected 48 whole class numbers below 1, got float32 of shape (48, 1); mix images whose targets are "
    with pytest.raises(DataError, match=re.escape(words)):
        m.Regressor(network(1)).fit(PICTURES, NUMBERS / 2, log=None, augment=[Mixup()])
    words = "Classifier: expected images of 2 channels, as normalise has, got shape (48, 3, 6, 6); give a number for each "
    with pytest.raises(DataError, match=re.escape(words)):
        m.Classifier(network(), normalise=Normalise(scale=(1, 2), shift=0)).fit(PICTURES / 255, NUMBERS, log=None)
