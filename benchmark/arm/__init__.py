"""Proof that an ARM processor computes what this one does, under emulation."""
