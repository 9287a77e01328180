"""Slow twin of the platform fighter: one match of two fighters, plain Python floats, from the specification.

`match` plays and rewards, `fighter` holds what a fighter is, `states` with `ground` and `air` decides what it does,
`attacks` has the moves, `capsules` says what they hit, `physics` moves boxes, `weapons` has what lies about, `observe`
what is seen, `scripted` the opponents that do not learn, `rules` the numbers.
"""
