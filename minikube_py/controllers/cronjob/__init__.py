"""CronJobs: Jobs on a schedule."""
