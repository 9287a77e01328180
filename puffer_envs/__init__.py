"""Batched, PufferLib-native environments: thousands of agents stepped by a handful of compiled calls."""
