"""Rulebooks: what a venue promises, as data.

Holds the models (`model` and the modules it gathers), loading and overrides (`load`), the wording of faults
(`faults`) and the presets that ship (`presets/*.toml`). Holds no engine: the venue compiles a rulebook into
integers.

Units: ratios in parts per million, times in seconds, money in whole or decimal settlement units. Invariant:
every table of figures says where they come from.
"""
