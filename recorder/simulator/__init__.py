"""A stateful Checkly for the demo, the tests and the bench.

An independent witness: it imports nothing else of the recorder and speaks the Public API as its reference documents it.
"""
