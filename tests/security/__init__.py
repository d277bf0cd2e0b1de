"""What an attacker would try. Each test fails when the guard that it is of is taken out."""
