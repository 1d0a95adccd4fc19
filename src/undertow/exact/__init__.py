"""Arithmetic that gives the same bytes on every processor: the floating-point functions that decide."""
