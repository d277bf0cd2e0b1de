"""Curation: from web pages to filtered, deduplicated, classified shards of documents. No Django."""
