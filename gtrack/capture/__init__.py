"""What a run ran in and on: environment, data, hardware, tables; knows nothing of where it is stored."""
