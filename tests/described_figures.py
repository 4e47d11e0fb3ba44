"""What a figure is made of, in lines of text: places, sizes, words, colours and the numbers that are drawn.

Nothing is laid out or drawn, so it does not hang on the fonts of a machine.
"""

import numpy as np
from matplotlib.colors import to_hex


def described(figure):
    """A line for each part of a figure; of axes only what is not as in the axes before them."""
    width, height = figure.get_size_inches()
    layout = type(figure.get_layout_engine()).__name__
    lines = [f"figure {numbers([width, height])} {colour(figure.get_facecolor())} {layout}"]
    if figure.get_suptitle():
        lines.append(f"title {text(figure._suptitle)}")
    before = {}
    every = [own for axes in figure.axes for own in (axes, *axes.child_axes)]
    for number, axes in enumerate(every):
        parts = dict(_axes(axes))
        lines += [f"{number} {name} {said}" for name, said in parts.items() if before.get(name) != said]
        lines += [f"{number} {name} gone" for name in before if name not in parts]
        before = parts
    return lines


def _axes(axes):
    locator = axes.get_axes_locator()
    place = locator(axes, None) if locator else axes.get_position(original=True)
    yield "place", numbers(place.bounds)
    yield "face", f"{colour(axes.get_facecolor())} {axes.get_aspect()} {axes.get_anchor()} {axes.get_box_aspect()}"
    edges = [f"{name} {colour(spine.get_edgecolor())}" for name, spine in axes.spines.items() if spine.get_visible()]
    yield "edges", (" ".join(edges) or "none") if axes.axison else "off"
    for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        yield axis.axis_name, f"{numbers(limits)} {axis.get_scale()} {axis.get_label_position()}"
        if axes.axison:
            yield from _axis(axis, limits)
    if axes.get_title():
        yield "title", text(axes.title)
    for number, own in enumerate(axes.texts):
        beside = "" if tuple(getattr(own, "xy", own.get_position())) == tuple(own.get_position()) else f" at {numbers(own.xy)}"
        yield f"text {number}", f"{numbers(own.get_position())}{beside} {text(own)}"
    for number, line in enumerate(axes.lines):
        yield f"line {number}", _line(line)
    for number, patch in enumerate(axes.patches):
        yield f"patch {number}", _patch(patch)
    for number, image in enumerate(axes.images):
        yield f"image {number}", _image(image)
    if legend := axes.get_legend():
        words = ", ".join(text(own) for own in legend.get_texts())
        yield "legend", f"{legend._loc} {legend.get_frame_on()} {words}"


def _axis(axis, limits):
    name, (low, high) = axis.axis_name, sorted(limits)
    grid = axis.get_tick_params().get("gridOn"), axis.get_tick_params("minor").get("gridOn")
    if axis.get_label_text():
        yield f"{name} label", text(axis.label)
    for which in ("major", "minor"):
        labels = axis.get_ticklabels(which == "minor")
        places = axis.get_ticklocs(minor=which == "minor")
        inside = [(at, own) for at, own in zip(places, labels, strict=False) if low - 1e-9 <= at <= high + 1e-9]
        given = axis.get_tick_params(which)
        sizes = numbers([given[key] for key in ("length", "labelsize") if key in given])
        if inside:
            words = ",".join(own.get_text() for _, own in inside).strip(",")
            turned = f" {words!r} turned {numbers([inside[0][1].get_rotation()])}" if words else ""
            ink = colour(given.get("labelcolor", "black"))
            yield f"{name} {which}", f"{numbers([at for at, _ in inside])}{turned} {sizes} {ink}"
    if any(grid):
        first = (axis.get_major_ticks() if grid[0] else axis.get_minor_ticks())[0].gridline
        below = axis.axes.get_axisbelow()
        yield f"{name} grid", f"{grid} {colour(first.get_color())} {numbers([first.get_linewidth()])} {below}"


def _line(line):
    style = f"{line.get_linestyle()} {numbers([line.get_linewidth()])} {colour(line.get_color())} {line.get_solid_capstyle()}"
    marker = f" {line.get_marker()} {numbers([line.get_markersize()])}" if line.get_marker() != "None" else ""
    return f"{numbers(line.get_xdata())} {numbers(line.get_ydata())} {style}{marker}"


def _patch(patch):
    path = patch.get_path().transformed(patch.get_patch_transform())
    face, edge, width = patch.get_facecolor(), patch.get_edgecolor(), patch.get_linewidth()
    fill = colour(face) if patch.get_fill() else "empty"
    kind, steps = type(patch).__name__, ""
    if kind == "StepPatch":
        steps = f" {numbers(path.vertices)}"
    return f"{kind} {numbers(path.get_extents().extents)} {fill} {colour(edge)} {numbers([width])}{steps}"


def _image(image):
    shown = np.ma.filled(np.ma.asarray(image.get_array(), float), np.nan)
    colours = "" if shown.ndim == 3 else " ".join(colour(image.cmap(share)) for share in (0.0, 0.75))
    limits = [float(limit) for limit in image.get_clim() if limit is not None]
    smooth = "" if image.get_interpolation() == "nearest" else " smooth"  # the other way has another name in older versions
    return f"{shown.shape} {numbers(shown)} {numbers(image.get_extent())} {numbers(limits)} {colours}{smooth}"


def text(own):
    """Words and how they stand."""
    turned = f" turned {numbers([own.get_rotation()])}" if own.get_rotation() else ""
    place = f"{own.get_horizontalalignment()} {own.get_verticalalignment()}{turned}"
    return f"{own.get_text()!r} {numbers([own.get_fontsize()])} {colour(own.get_color())} {place}"


def colour(given):
    """In letters, with how much shines through if anything does."""
    return to_hex(given, keep_alpha=True).removesuffix("ff")


def numbers(given):
    """Numbers to four digits: all of a few, and of many the least, the largest and two sums, one by their places."""
    flat = np.asarray(given, float).ravel()
    if len(flat) > 8:
        known, where = flat[~np.isnan(flat)], np.flatnonzero(~np.isnan(flat))
        flat = np.array([len(known), known.min(), known.max(), known.sum(), known @ np.cos(where)])
    return "(" + " ".join(f"{number * (1 + 1e-9) + 0.0:.4g}" for number in flat) + ")"  # halves are not left to chance
