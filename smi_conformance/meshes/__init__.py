"""What is declared of each mesh before a run, and how the suite sets it up."""
