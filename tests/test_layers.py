"""The layers within a layer, and the variables that noise is drawn from."""

import keras

from tfvae import layers


class Block(keras.layers.Layer):
    """Layers in a list, in a dict, and one that is there twice."""

    def __init__(self):
        super().__init__()
        self.branches = [keras.layers.Dense(2, name="one"), keras.layers.Dropout(0.5, name="two")]
        self.named = {"three": keras.layers.Dense(2, name="three")}
        self.last = self.branches[0]

    def call(self, x):
        return self.branches[1](self.last(x)) + self.named["three"](x)


def test_every_layer_is_gone_over_once():
    model = keras.Sequential([keras.Input((3,)), Block(), keras.Sequential([keras.layers.Dense(4, name="four")])])
    names = [layer.name for layer in layers.walk_layers(model)]
    assert len(names) == len(set(names))
    assert {"one", "two", "three", "four", model.name, model.layers[0].name} <= set(names)


def test_noise_is_drawn_from_variables_that_are_no_weights():
    inner = keras.Sequential([keras.layers.Dropout(0.5), keras.layers.Dense(2)])
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.5), inner, keras.layers.BatchNormalization()])
    states = [layer.seed_generator.state for layer in (inner.layers[0], model.layers[0])]
    assert [id(state) for state in layers.noise_states(model)] == [id(state) for state in states]
    assert layers.noise_states(keras.layers.Dense(2)) == []
