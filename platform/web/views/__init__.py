"""Views of the pages that belong to no single app, a file a subject."""
