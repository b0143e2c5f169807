"""What every setting may hold, known without importing torch."""
