"""Container images: one for the site, one for workers without a GPU, one for workers with them."""
