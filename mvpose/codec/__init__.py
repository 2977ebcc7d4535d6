"""Between image coordinates, network input and heatmaps."""
