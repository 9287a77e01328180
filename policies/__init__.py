"""Networks, one a game. They are given an observation layout and know nothing else of the games."""
