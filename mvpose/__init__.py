"""mvpose: human pose networks for phones, and what each step to the phone costs in accuracy."""
