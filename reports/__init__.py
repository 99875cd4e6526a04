"""Turns the recorded history into pass rates, flakiness by run location and timeElapsed, as CSV files and one page."""
