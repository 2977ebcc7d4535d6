"""Quantisation: recipes and calibration, in torch and numbers; file formats are export's."""
