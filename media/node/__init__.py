"""The node: which channels exist, which of them are on air, and one supervised worker for each that is."""
