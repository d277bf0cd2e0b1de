"""The HTTP API of annotation: judging, live dialogs, import and export."""
