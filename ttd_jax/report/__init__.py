"""What is shown to people: tables, sheets of pictures, maps, plots and progress. No I/O."""
