"""From a checkpoint and a recipe to a deployable file, proven to be the same network."""
