"""What a round will take, by stage, before it is launched: time, cost, disk; and then what it took."""
