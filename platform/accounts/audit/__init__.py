"""The audit log as a chain of hashes: sealing, verifying, exporting, and redacting what must be forgotten."""
