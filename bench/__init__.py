"""The measurements behind docs/performance.md and the campaigns, one command each."""
