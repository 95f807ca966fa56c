"""What is wrong on a machine and the mend: pure checks over captured facts."""
