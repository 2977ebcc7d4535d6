"""Images, COCO-format annotations and the samples cut from them."""
