"""Measurements of the platform fighter beside its speed."""
