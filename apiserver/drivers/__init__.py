"""Where a store's commits are kept besides memory."""
