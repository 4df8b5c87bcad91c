"""What a cluster's state means: pure judgements over objects and the agents' tables, for people who ask why."""
