"""Readings of weather stations by the hour, and their summary by the day."""
