"""A swarm of agents builds a shape that came from text by following its scent."""
