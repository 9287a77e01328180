"""WAYFARER, the built-in Game Boy game: its sources, its build script and the built ROM."""

from pathlib import Path

ROM_PATH: Path = Path(__file__).with_name("wayfarer.gb")
