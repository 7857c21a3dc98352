"""Whether what is here is as it should be: runs, their branch's history, who did what, and the surroundings."""
