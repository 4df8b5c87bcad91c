"""Who is asking (certificates, tokens) and whether they may (authorizers)."""
