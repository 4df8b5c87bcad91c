"""The one cause of what does not work, and its fix, in the order in which an experienced person would look."""
