"""The user's rows, in whatever container they come: tables as they are, and as a matrix of numbers."""
