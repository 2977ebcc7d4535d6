"""A phone at the end of adb: what it is, how warm it is, and how fast files run on it."""
