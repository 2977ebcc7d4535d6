"""How far an exported file is from the float network, in heatmaps and in pixels."""

from mvpose.parity import Parity, measure_parity

__all__ = ["Parity", "measure_parity"]
