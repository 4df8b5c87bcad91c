"""Random faults and random work on a cluster; afterwards what is wanted is there, and nothing else is."""
