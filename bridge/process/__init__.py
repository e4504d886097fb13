"""This process among others: the signals it gets, the processes it starts, and those that started it."""
