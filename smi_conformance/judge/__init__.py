"""Judgement: pure functions from recorded observations to verdicts, without I/O and without pytest."""
