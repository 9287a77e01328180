"""Dodge: its rules against the twin, its pictures, its records."""
