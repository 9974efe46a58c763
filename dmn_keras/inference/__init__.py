"""Trained tasks: evaluation, calibration, pictures."""
