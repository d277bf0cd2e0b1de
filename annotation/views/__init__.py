"""The pages of annotation: the comparison page for annotators, project pages for admins."""
