"""What the lab and a real API server must do alike."""
