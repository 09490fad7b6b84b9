"""The Keras layers that a layer is made of, and what keeps their noise."""

from collections.abc import Iterator

import keras

__all__ = ["build_layer", "noise_states", "walk_layers"]


def walk_layers(layer: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    """Go over a layer and all layers within it, each once. Keras has no public list of them but for models."""
    waiting: list = [layer]
    seen: set[int] = set()
    while waiting:
        found = waiting.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        if isinstance(found, keras.layers.Layer):
            yield found
            waiting.extend(vars(found).values())
        elif isinstance(found, dict):
            waiting.extend(found.values())
        elif isinstance(found, (list, tuple, set)):
            waiting.extend(found)


def build_layer(layer: keras.layers.Layer, input_shape: tuple[int | None, ...]) -> None:
    """Build a layer for inputs of a shape, batch included, unless it is built."""
    if not layer.built:
        layer.build(input_shape)


def noise_states(layer: keras.layers.Layer) -> list[keras.Variable]:
    """Give the variables from which layers of noise, such as `Dropout`, draw: the last layer's first.

    To Keras they are variables, but not weights. Their order decides which noise each gets: it must stay.
    """
    weights = {id(weight) for weight in layer.weights}
    return [variable for variable in reversed(layer.variables) if id(variable) not in weights]
