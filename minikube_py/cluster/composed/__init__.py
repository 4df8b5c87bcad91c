"""The cluster whose parts are containers: its composition, its image, and `minik up` for those who cannot wire."""
