"""Where runs live: in live directories while they run, on the runs branch afterwards."""
