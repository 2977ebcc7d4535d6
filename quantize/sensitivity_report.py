"""The tables of a sensitivity map."""

from __future__ import annotations

from rich.table import Table

from mvpose.bootstrap import points
from mvpose.cli import console
from mvpose.quantize.sensitivity import Cost, SensitivityMap

MOST_OUTLIERS = 12


def print_map(found: SensitivityMap) -> None:
    """Print what INT8 costs in whole and by block, the widest channels, and the proof."""
    screen = console()
    screen.print(cost_table(found))
    for recipe in found.recipes_left_out:
        screen.print(gain_table(found, recipe))
    if any(block.outliers for block in found.blocks):
        screen.print(outlier_table(found))
    for agreement in found.agreement:
        screen.print(
            f"{agreement.recipe} file in {agreement.runtime} against the simulation, "
            f"{agreement.parity.crops} crops: {100 * agreement.equal:.1f} % of the outputs equal, "
            f"{100 * agreement.within_1:.1f} % within 1 step, "
            f"{100 * agreement.within_2:.1f} % within 2; keypoints shift by "
            f"{_px(agreement.parity.shift_median_px)} px (median), "
            f"{_px(agreement.parity.shift_p95_px)} px (95 %)",
            highlight=False,
        )


def cost_table(found: SensitivityMap) -> Table:
    """Each block alone in INT8, and whole recipes."""
    protocol = found.protocol
    table = _table(
        f"INT8 against the float network (AP {100 * found.float_ap:.1f}): {protocol['images']} "
        f"images, {protocol['people']} people of {protocol['annotations']}, simulated",
        "in INT8",
        "operators",
        "weights",
        *COSTS,
    )
    for recipe, cost in found.whole.items():
        table.add_row(recipe, "", "", *_figures(cost))
    table.add_section()
    for block in found.blocks:
        table.add_row(
            block.title, str(block.operators), f"{block.weights:,}", *_figures(block.alone)
        )
    return table


def gain_table(found: SensitivityMap, recipe: str) -> Table:
    """Each block left in float."""
    table = _table(
        f"{recipe} with one block left in float", "in float", "AP gained [95 %]", "OKS", *COSTS
    )
    whole = found.whole[recipe]
    table.add_row("none", "", "", *_figures(whole))
    table.add_section()
    for block in (block for block in found.blocks if recipe in block.left_out):
        left = block.left_out[recipe]
        gained = (left.cost.parity.oks or 0) - (whole.parity.oks or 0)
        table.add_row(block.title, points(left.gain), f"{100 * gained:+z.2f}", *_figures(left.cost))
    return table


def outlier_table(found: SensitivityMap) -> Table:
    """The channels that are widest above the others of their tensor."""
    table = _table(
        "Channels far above the median channel of their tensor (calibration crops)",
        "block",
        "module",
        "operator",
        "channel",
        "largest",
        "times the median",
    )
    named = [(block, outlier) for block in found.blocks for outlier in block.outliers]
    for block, outlier in sorted(named, key=lambda pair: -pair[1].ratio)[:MOST_OUTLIERS]:
        table.add_row(
            block.title,
            outlier.path,
            outlier.tensor,
            str(outlier.channel),
            f"{outlier.largest:.1f}",
            f"{outlier.ratio:.0f}",
        )
    return table


COSTS = ("AP - float [95 %]", "OKS", "shift px median", "p95", "SQNR dB")


def _figures(cost: Cost) -> list[str]:
    parity = cost.parity
    return [
        points(cost.ap),
        "-" if parity.oks is None else f"{100 * parity.oks - 100:+z.2f}",
        _px(parity.shift_median_px),
        _px(parity.shift_p95_px),
        f"{parity.sqnr_db:.1f}",
    ]


def _px(shift: float | None) -> str:
    return "-" if shift is None else f"{shift:.2f}"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=number == 0)
    return table
