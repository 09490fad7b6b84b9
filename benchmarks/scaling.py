"""How the time of tfvae's epoch grows: which points are measured, and their figure."""

__all__ = ["draw", "points"]

AXES = {  # the setting's name: its title, and its values, whose third is everyone else's
    "count": ("images", (1 / 8, 1 / 4, 1 / 2, 1)),  # as parts of all
    "batch_size": ("images in a batch", (25, 50, 100, 200, 400)),
    "samples": ("latent samples of an image", (1, 2, 5, 10, 20)),
    "width": ("width of the layers", (100, 200, 400, 800)),
}


def points(settings):
    """(row, axis, value, settings) of each point: one setting varies, the others stay; a quarter of the images."""
    for axis, (title, values) in AXES.items():
        for value in values:
            value = int(value * settings["count"]) if axis == "count" else value
            base = settings | {"count": settings["count"] // 4}
            yield f"{title}: {value:,}", axis, value, base | {axis: value}


def draw(rows, settings, path):
    """Draws the medians of `rows`, row -> figures, into a PNG file: four plots, seconds over each axis."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 7), layout="constrained")
    for axes, (axis, (title, _)) in zip(figure.subplots(2, 2).flat, AXES.items(), strict=True):
        found = [
            (value, rows[row]["figures"]["seconds of an epoch"])
            for row, its_axis, value, _ in points(settings)
            if its_axis == axis and rows[row]["figures"]
        ]
        axes.plot(*zip(*found, strict=True), marker="o") if found else None
        axes.set(xlabel=title, ylabel="seconds of an epoch", ylim=(0, None), xlim=(0, None))
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
