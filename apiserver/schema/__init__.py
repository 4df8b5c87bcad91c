"""The published schema at work: decoding, strict validation, OpenAPI documents, structured merge."""
