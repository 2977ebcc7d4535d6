"""Remedies for what INT8 loses, without training: each takes a plan and gives a better one."""
