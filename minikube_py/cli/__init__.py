"""The `minik` command: a module per subcommand."""
