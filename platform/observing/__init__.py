"""What those who run the site look at: logs with ids in them, and numbers. Stands on nothing of ours."""
