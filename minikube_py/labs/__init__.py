"""Lessons that set themselves up and judge what a student made of them, objects and live traffic alike."""
