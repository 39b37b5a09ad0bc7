"""Frozen values that every room speaks in; nothing here imports anything but the standard library."""
