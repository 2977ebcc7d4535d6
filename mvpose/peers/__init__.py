"""Pose networks of other makers: an adapter says what their files mean."""
