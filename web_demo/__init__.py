"""The browser demo: a page that runs exported files with LiteRT.js, and the command serving it."""
