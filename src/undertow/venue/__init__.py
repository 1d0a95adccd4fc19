"""The machine: orders, prices, deposits and time go in; trades, liquidations, losses and balances come out.

Knows no crowd, no file, no clock and no venue's name; every rule it follows is data from a rulebook.
"""
