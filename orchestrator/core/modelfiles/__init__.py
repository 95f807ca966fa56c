"""What a model's own files say of it, read from their bytes."""
