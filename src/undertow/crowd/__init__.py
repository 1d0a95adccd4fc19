"""Who is inside the venue: what they hold, and how they behave."""
