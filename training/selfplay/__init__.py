"""Opponents for games of two: snapshots of the network that learns, and players by rule."""
