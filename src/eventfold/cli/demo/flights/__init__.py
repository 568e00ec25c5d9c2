"""Every flight that left New York in 2013: a month of aviation as commands, events and tables."""
