"""API priority and fairness: whose requests are served when there are too many (KEP-1040)."""
