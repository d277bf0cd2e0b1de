"""nginx before the site."""
