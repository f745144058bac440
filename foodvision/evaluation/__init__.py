"""Figures that can be believed, and the calibration behind them."""
