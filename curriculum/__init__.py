"""Where episodes begin: savestates at milestones, what the swarm masters, and the choice between them."""

from curriculum.manager import CurriculumConfig, CurriculumManager

__all__ = ["CurriculumConfig", "CurriculumManager"]
