"""What happens to everybody: prices elsewhere, news, and the venue's own infrastructure failing."""
