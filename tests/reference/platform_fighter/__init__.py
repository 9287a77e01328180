"""Slow twin of the platform fighter: one match of two fighters, plain Python floats, from the specification.

`match` plays, `fighter` holds what a fighter is, `states` decides what it does, `attacks` has the moves and their hits,
`physics` the boxes and their contacts, `weapons` what lies about, `observe` what is seen and `rewards` what it is worth.
"""
