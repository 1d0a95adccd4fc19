"""Recorded data: readers that refuse what is broken, and tapes combined into prices off the venue."""
