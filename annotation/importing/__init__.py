"""Reading other people's files, row by row: one module a format, pure, and every bad row with its reason."""
