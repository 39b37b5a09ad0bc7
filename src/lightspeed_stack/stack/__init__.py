"""Llama Stack and OGX: one adapter for all their releases."""
