"""What each library's models are written as and read from; ``table`` lists them."""
