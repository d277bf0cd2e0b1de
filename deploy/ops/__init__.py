"""What the tests and checks of operations need, and the audit of packages."""
