"""What a generation is, without any transport or storage."""
