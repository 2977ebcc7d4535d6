"""Where the people of a picture are: detectors of boxes."""
