"""Campaigns and simulations: long runs behind the figures in docs/."""
