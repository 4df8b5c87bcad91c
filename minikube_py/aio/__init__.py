"""Tasks, backoff, work queues and clocks: the only place that creates asyncio tasks."""
